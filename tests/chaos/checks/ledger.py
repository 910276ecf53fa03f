"""The books add up: every entry and all of them to 0, every balance to its entries, refunds to what was paid."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.standing import troubles
from tests.chaos.truth import Row, Truth

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


def refunds(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold refunds to take back what they gave and no more, and less only where nothing was left for a moment.

    What was set aside for a job may be taken back when the job gives it back: of no payment, but of the person.
    """
    refunded = [row for row in truth.of("billing.payments") if row["state"] == "refunded" and row["credited"]]
    given, taken = Counter[str](), _taken_back(truth)
    for payment in refunded:
        given[str(payment["_id"])] += payment["credits"]
        given[str(payment["user_id"])] += payment["credits"]
    for about, credits_ in taken.items():
        if credits_ > given[about]:
            yield Violation("refunds", about, f"{credits_} credits taken back, {given[about]} refunded")
    for payment in refunded:
        left = payment["credits"] - taken[str(payment["_id"])]
        if left > 0 and not _may_have_been_spent(truth, payment):
            yield Violation("refunds", str(payment["_id"]), f"{left} credits were there, and not taken back")


CHECKS = (sums, balances, refunds)


def _taken_back(truth: Truth) -> Counter[str]:
    """Return the credits that went back, by payment and by person; a pseudonym is nobody's for good."""
    taken = Counter[str]()
    for row in truth.of("billing.ledger_entries"):
        credits_ = sum(part["credits"] for part in row["postings"] if part["account"] == "platform:sales")
        if row["kind"] != "purchase":
            about = ("payment_id",) if row.get("retained_until") else ("payment_id", "user_id")
            taken.update({str(row[name]): credits_ for name in about if row.get(name) is not None})
    return taken


def _may_have_been_spent(truth: Truth, payment: Row) -> bool:
    """Tell whether there was a moment since the purchase in which its payer had nothing to spend.

    Of who left, the books keep no jobs; a clock that was wrong says not which entry came first.
    """
    if payment.get("retained_until") is not None or truth.is_leaving(payment["user_id"]):
        return True
    if any(each.kind == "clock" and each.concerns("billing-") for each in troubles(truth.log)):
        return True
    own = [row for row in truth.of("billing.ledger_entries") if row["user_id"] == payment["user_id"]]
    available, bought = 0, False
    for row in sorted(own, key=lambda entry: entry["created_at"]):
        available += sum(part["credits"] for part in row["postings"] if part["account"] == "user:available")
        bought = bought or row.get("payment_id") == payment["_id"]
        if bought and available <= 0:
            return True
    return False
