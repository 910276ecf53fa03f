"""An erased person's payments and entries stay for tax law under one pseudonym; the rest goes; the books add up."""

from uuid import UUID, uuid4

import pytest

from libs.common.audit import SYSTEM
from libs.common.errors import SubjectErased
from libs.common.events.generation import GenerationRequestedV1
from libs.common.mongo import Row
from services.billing.models import BalanceRow, LedgerEntry, Payment, Reservation
from services.billing.packages import PACKAGES
from services.billing.payments import Money, PaymentState
from services.billing.privacy import HOLDINGS
from services.billing.providers.base import Notice
from services.billing.service import Outcome
from tests.billing.conftest import Billing

KEPT = ("billing.payments", "billing.ledger_entries")
GONE = ("billing.balances", "billing.reservations")


async def told(billing: Billing, payment: Payment, state: PaymentState) -> Outcome:
    """Take in a notice that was verified already."""
    price = PACKAGES[payment.package].price
    return await billing.service.take_notice(
        Notice(str(uuid4()), payment.id, state, Money(price.minor, price.currency))
    )


async def customer(billing: Billing) -> tuple[UUID, list[Payment]]:
    """Return somebody with a paid and an open payment, and a job under way."""
    user_id = await billing.person_with(50)
    payments = [await billing.payment_of(user_id) for _ in range(2)]
    await told(billing, payments[0], PaymentState.COMPLETED)
    await billing.in_transaction(lambda: billing.service.grant(user_id, payments[0].id))
    requested = GenerationRequestedV1(user_id=user_id, job_id=uuid4(), credits=20)
    await billing.deliver("reserve-credits", requested)
    return user_id, payments


async def erase(billing: Billing, user_id: UUID) -> dict[str, tuple[int, int]]:
    """Erase somebody; return erased and retained rows by holding."""
    case_id = uuid4()
    holder = billing.platform.holder
    await holder.inventory(user_id, case_id)
    erased = await holder.erase(user_id, case_id)
    return {each.holding: (each.erased, each.retained) for each in erased}


async def rows(billing: Billing, payments: list[Payment]) -> list[Row]:
    ids = [payment.id for payment in payments]
    paid = await billing.mongo.collection(Payment).find({"_id": {"$in": ids}})
    booked = await billing.mongo.collection(LedgerEntry).find({"user_id": paid[0]["user_id"]})
    return [*paid, *booked]


async def test_erasure_keeps_what_tax_law_asks_for_and_nothing_else(billing: Billing) -> None:
    other, _ = await customer(billing)
    before = (await billing.balance(other), await billing.entries(other))
    user_id, payments = await customer(billing)

    counts = await erase(billing, user_id)

    assert {name: counts[name] for name in KEPT} == {KEPT[0]: (0, 2), KEPT[1]: (0, 3)}
    assert {name: counts[name] for name in GONE} == {GONE[0]: (1, 0), GONE[1]: (1, 0)}
    for kind in HOLDINGS.documents:
        assert await billing.mongo.collection(kind).count({"user_id": user_id}) == 0
    assert await billing.mongo.collection(BalanceRow).count({"_id": user_id}) == 0
    kept = await rows(billing, payments)
    assert len({row["user_id"] for row in kept}) == 1
    assert user_id not in {row["user_id"] for row in kept}
    assert not any({"checkout_url", "idempotency_key_hash", "job_id"} & row.keys() for row in kept)
    assert await billing.books() == 0
    assert (await billing.balance(other), await billing.entries(other)) == before


async def test_no_balance_comes_back_when_balances_are_rebuilt(billing: Billing) -> None:
    user_id, payments = await customer(billing)
    await erase(billing, user_id)
    await billing.service.rebuild_balances(SYSTEM)
    pseudonym = (await rows(billing, payments))[0]["user_id"]
    assert await billing.mongo.collection(BalanceRow).count({"_id": {"$in": [user_id, pseudonym]}}) == 0


async def test_what_the_provider_tells_after_the_erasure_is_booked_and_credits_nobody(
    billing: Billing,
) -> None:
    user_id, payments = await customer(billing)
    await erase(billing, user_id)
    published = await billing.mongo.collection("outbox").count({"topic": "payment.completed"})

    assert await told(billing, payments[1], PaymentState.COMPLETED) is Outcome.APPLIED
    assert await told(billing, payments[0], PaymentState.REFUNDED) is Outcome.APPLIED

    states = {row["_id"]: row["state"] for row in await rows(billing, payments) if "state" in row}
    assert states == {payments[1].id: "completed", payments[0].id: "refunded"}
    assert await billing.mongo.collection("outbox").count({"topic": "payment.completed"}) == published
    assert await billing.mongo.collection(Reservation).count({"user_id": user_id}) == 0
    assert await billing.books() == 0


async def test_nothing_is_written_for_somebody_who_is_frozen(billing: Billing) -> None:
    user_id, payments = await customer(billing)
    await billing.platform.holder.inventory(user_id, uuid4())
    requested = GenerationRequestedV1(user_id=user_id, job_id=uuid4(), credits=1)
    with pytest.raises(SubjectErased):
        await billing.deliver("reserve-credits", requested)
    with pytest.raises(Exception, match="cannot change right now") as caught:
        await told(billing, payments[1], PaymentState.COMPLETED)
    assert getattr(caught.value, "status", None) == 503
