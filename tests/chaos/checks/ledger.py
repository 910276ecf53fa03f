"""The books add up: every entry and all of them to 0, every balance to its entries, none below 0."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.truth import Truth

ACCOUNTS = {"available": "user:available", "reserved": "user:reserved"}


def sums(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every entry, and the books as a whole, to add up to 0."""
    if truth.imbalance:
        yield Violation("sums", "the books", f"are off by {truth.imbalance}")
    for row in truth.of("billing.ledger_entries"):
        if total := sum(part["credits"] for part in row["postings"]):
            yield Violation("sums", str(row["_id"]), f"is off by {total}")


def balances(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every balance to be what its entries add up to, and not below 0; nothing set aside once all is idle."""
    booked: Counter[tuple[str, str]] = Counter()
    for row in truth.of("billing.ledger_entries"):
        for part in row["postings"]:
            booked[str(row["user_id"]), part["account"]] += part["credits"]
    for user_id, row in truth.by_id("billing.balances").items():
        for name, account in ACCOUNTS.items():
            if row[name] != booked[user_id, account] or row[name] < 0:
                yield Violation(
                    "balances", user_id, f"{name} is {row[name]}, booked {booked[user_id, account]}"
                )
        if row["reserved"]:
            yield Violation("balances", user_id, f"{row['reserved']} are set aside for no job")


CHECKS = (sums, balances)
