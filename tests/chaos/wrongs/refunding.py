"""Refunds, right and wrong, as they are booked and told."""

from tests.chaos.samples import ADA, PAYMENT, Sample, at
from tests.chaos.wrongs.changing import row


def refund(one: Sample, credits_: int) -> None:
    """Have Ada's payment refunded, and so much of it taken back."""
    row(one, "billing.payments", PAYMENT, state="refunded")
    row(one, "pay.checkouts", "checkout-1", state="refunded")
    row(one, "billing.balances", ADA, available=109 - credits_)
    if credits_:
        one.rows["billing.ledger_entries"]["refund"] = taken_back(one, credits_)
        one.repeat("payment.completed", topic="credits.refunded", id="refund")


def spend(one: Sample, credits_: int, seconds: float) -> None:
    """Let Ada spend credits at a moment, for nothing that is looked at."""
    entry = {**one.entry("welcome"), "_id": "spent", "kind": "other", "created_at": at(seconds)}
    postings = _moved("user:available", "platform:usage", credits_)
    one.rows["billing.ledger_entries"]["spent"] = {**entry, "postings": postings}
    one.rows["billing.balances"][ADA]["available"] -= credits_


def taken_back(one: Sample, credits_: int, **fields: object) -> dict[str, object]:
    """Return an entry by which Ada loses what she had bought."""
    entry = {"_id": "refund", "kind": "refund", "created_at": at(9.5)}
    postings = _moved("user:available", "platform:sales", credits_)
    return {**one.entry("purchase"), **entry, "postings": postings, **fields}


def _moved(source: str, target: str, credits_: int) -> list[dict[str, object]]:
    return [{"account": source, "credits": -credits_}, {"account": target, "credits": credits_}]
