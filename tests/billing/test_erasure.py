"""An erased person's payments and entries stay for tax law under one pseudonym; the rest goes; the books add up.

The payment provider, a real process of the sandbox's app, erases what leads to them, sooner or later.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from libs.common.audit import SYSTEM
from libs.common.clock import now
from libs.common.errors import SubjectErased
from libs.common.events.generation import GenerationRequestedV1
from libs.common.events.privacy import HoldingErasure
from libs.common.mongo import Mongo, Row
from libs.common.privacy.annotations import TAX
from libs.common.privacy.handlers import Answers
from libs.common.privacy.item_holds import HoldState, ItemHold
from libs.common.settings import CommonSettings
from libs.common.testing.metrics import metric
from libs.common.testing.processes import Process, environment, free_port, running
from libs.common.testing.serving import serving
from libs.common.testing.waiting import eventually
from services.billing.errors import PaymentNotFound, ProviderUnavailable
from services.billing.models import BalanceRow, LedgerEntry, Payment, Reservation, WebhookReceipt
from services.billing.packages import PACKAGES
from services.billing.payments import Money, PaymentState
from services.billing.privacy import HOLDINGS
from services.billing.providers.base import Notice
from services.billing.providers.sandbox.app import create_app
from services.billing.providers.sandbox.checkouts import CheckoutNotFound
from services.billing.providers.sandbox.models import CheckoutRow, CheckoutState, Delivery, ErasureRow
from services.billing.providers.sandbox.plan import Choice, Faults
from services.billing.providers.sandbox.settings import SandboxSettings
from services.billing.service import Outcome
from tests.billing.conftest import BILLING, WEBHOOK_SECRET, Billing

OF_NOBODY = "pixera_billing_payments_of_nobody_total"
AT_THE_PROVIDER = "billing.payment-provider"
KEPT = ("billing.payments", "billing.ledger_entries")
GONE = ("billing.payments:unpaid", "billing.ledger_entries:usage", "billing.balances", "billing.reservations")


@pytest.fixture(scope="module")
def merchant_port() -> int:
    """Where the provider delivers its notices; nobody answers but where a test starts billing there."""
    return free_port()


@pytest.fixture(scope="module")
def sandbox(common_settings: CommonSettings, merchant_port: int) -> FastAPI:
    """The payment provider."""
    more = {
        "pay_api_key": SecretStr("tests-api-key"),
        "webhook_secret": SecretStr(WEBHOOK_SECRET),
        "billing_url": f"http://127.0.0.1:{merchant_port}",
        "pay_longest_retry_s": 0.5,
    }
    return create_app(SandboxSettings.model_validate(common_settings.model_dump() | more))


@pytest.fixture(scope="module")
async def pay_url(sandbox: FastAPI) -> AsyncIterator[str]:
    """Where the provider answers."""
    async with serving(sandbox) as url:
        yield url


@contextmanager
def out_of_order(sandbox: FastAPI, faults: Faults) -> Iterator[None]:
    """Have the provider's erasures go wrong for the block."""
    before, sandbox.state.erasures._faults = sandbox.state.erasures._faults, faults
    yield
    sandbox.state.erasures._faults = before


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

    assert [counts[name] for name in KEPT] == [(0, 1), (0, 1)]
    assert [counts[name] for name in GONE] == [(1, 0), (2, 0), (1, 0), (1, 0)]
    for kind in HOLDINGS.documents:
        assert await billing.mongo.collection(kind).count({"user_id": user_id}) == 0
    assert await billing.mongo.collection(BalanceRow).count({"_id": user_id}) == 0
    kept = await rows(billing, payments)
    assert [row.get("state") or row["kind"] for row in kept] == ["completed", "purchase"]
    assert [row["retained_until"] for row in kept] == [TAX.end_of(row["created_at"]) for row in kept]
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

    assert await told(billing, payments[1], PaymentState.PENDING) is Outcome.STALE
    assert await told(billing, payments[1], PaymentState.COMPLETED) is Outcome.APPLIED
    assert await told(billing, payments[0], PaymentState.REFUNDED) is Outcome.APPLIED

    late, paid = await billing.mongo.collection(Payment).find(
        {"_id": {"$in": [payment.id for payment in payments]}}, sort=[("credits", 1)]
    )
    assert (late["_id"], late["state"], late["credits"]) == (payments[1].id, "completed", 0)
    assert (paid["_id"], paid["state"]) == (payments[0].id, "refunded")
    assert late["retained_until"] == TAX.end_of(late["created_at"])
    assert not {late["user_id"], paid["user_id"]} & {user_id}
    assert await told(billing, payments[1], PaymentState.REFUNDED) is Outcome.APPLIED
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


async def test_a_payment_that_is_held_stays_as_it_is_with_its_entries_and_at_the_provider(
    billing: Billing, sandbox: FastAPI
) -> None:
    user_id, (paid, other) = await buyer(billing, sandbox)
    holder, case_id = billing.platform.holder, uuid4()
    placed = ItemHold(id=uuid4(), holding="billing.payments", item_id=paid, state=HoldState.PLACING)
    assert (await holder.item_holds.place(placed)).state is HoldState.IN_FORCE
    found = {each.holding: each.found for each in await holder.inventory(user_id, case_id)}

    erased = {each.holding: each for each in await holder.erase(user_id, case_id)}

    held = {name: each.held for name, each in erased.items() if each.held}
    assert held == {"billing.payments:unpaid": 1, AT_THE_PROVIDER: 1}
    assert (found[AT_THE_PROVIDER], erased[AT_THE_PROVIDER].erased) == (2, 1)
    assert await at_the_provider(sandbox, [paid]) > 0
    assert await at_the_provider(sandbox, [other]) == 0
    await holder.item_holds.release(placed)
    erased = {each.holding: each for each in await holder.erase(user_id, case_id)}
    assert erased[AT_THE_PROVIDER].erased == 2
    assert not any(each.held for each in erased.values())


async def buyer(billing: Billing, sandbox: FastAPI) -> tuple[UUID, list[UUID]]:
    """Return somebody with a paid checkout and an open one at the provider."""
    user_id = await billing.person_with(0)
    placed = [await billing.service.check_out(user_id, "starter", None) for _ in range(2)]
    await sandbox.state.checkouts.choose(UUID(placed[0].provider_reference), Choice.APPROVE)
    return user_id, [payment.id for payment in placed]


async def at_the_provider(sandbox: FastAPI, payment_ids: list[UUID], *, on_its_way: bool = False) -> int:
    """Count what the provider's own database has under these payments, as a field or in a notice's text.

    Args:     on_its_way: count a notice that was not delivered yet as well; the courier may be at it.
    """
    mongo: Mongo = sandbox.state.mongo
    rows = await mongo.collection(CheckoutRow).count({"payment_id": {"$in": payment_ids}})
    notices = await mongo.collection(Delivery).find({} if on_its_way else {"due_at": None})
    return rows + sum(str(each) in row["body"] for row in notices for each in payment_ids)


async def outcome_of(billing: Billing, user_id: UUID, case_id: UUID) -> HoldingErasure:
    erased = await billing.platform.holder.erase(user_id, case_id)
    await billing.platform.holder.complete(user_id)
    return next(each for each in erased if each.holding == AT_THE_PROVIDER)


async def test_the_provider_erases_what_leads_to_a_person_and_proves_it(
    billing: Billing, sandbox: FastAPI
) -> None:
    other, others = await buyer(billing, sandbox)
    user_id, payment_ids = await buyer(billing, sandbox)
    mongo: Mongo = sandbox.state.mongo

    async def are_told() -> bool:
        """Have all notices delivered; the courier may be at one, and put it back."""
        await mongo.collection(Delivery).update_many({}, {"$set": {"due_at": None}})
        return await at_the_provider(sandbox, payment_ids) == 4

    await eventually(are_told)
    case_id = uuid4()
    found = {each.holding: each.found for each in await billing.platform.holder.inventory(user_id, case_id)}

    erased = await outcome_of(billing, user_id, case_id)

    assert found[AT_THE_PROVIDER] == erased.erased == 2
    (given,) = erased.proofs
    kept = await mongo.collection(ErasureRow).find_one({"_id": given.reference})
    assert kept is not None
    assert (kept["count"], kept["erased_at"]) == (2, given.at)
    assert await at_the_provider(sandbox, payment_ids) == 0
    assert await at_the_provider(sandbox, others, on_its_way=True) == 4
    books = await mongo.collection(CheckoutRow).find({"erased": True})
    assert {row["state"] for row in books} == {CheckoutState.PAID.value}
    assert other not in {row.get("user_id") for row in books}


async def test_a_notice_on_its_way_arrives_and_goes_then(billing: Billing, sandbox: FastAPI) -> None:
    user_id, payment_ids = await buyer(billing, sandbox)
    await outcome_of(billing, user_id, uuid4())
    deliveries = sandbox.state.mongo.collection(Delivery)
    waiting = [row for row in await deliveries.find({}) if str(payment_ids[0]) in row["body"]]
    assert len(waiting) >= 2
    for row in waiting:
        await sandbox.state.courier._deliveries.arrived(Delivery.from_mongo({**row, "copies": 1}))
    assert not [row for row in await deliveries.find({}) if str(payment_ids[0]) in row["body"]]


async def test_what_the_provider_erased_can_be_neither_paid_nor_refunded(
    billing: Billing, sandbox: FastAPI
) -> None:
    user_id, _ = await buyer(billing, sandbox)
    references = [each.provider_reference for each in await billing.service.payments(user_id, None, 2)]
    await outcome_of(billing, user_id, uuid4())
    for reference in references:
        with pytest.raises(Exception, match="checkout"):
            await sandbox.state.checkouts.choose(UUID(reference), Choice.APPROVE)
        with pytest.raises(Exception, match="checkout"):
            await sandbox.state.checkouts.refund(UUID(reference))


@pytest.mark.parametrize("faults", [Faults(refuse_every=1), Faults(lose_every=1)])
async def test_a_provider_out_of_order_is_asked_again_until_it_proves(
    faults: Faults, billing: Billing, sandbox: FastAPI
) -> None:
    user_id, payment_ids = await buyer(billing, sandbox)
    case_id = uuid4()
    await billing.platform.holder.inventory(user_id, case_id)
    with out_of_order(sandbox, faults):
        assert (await outcome_of(billing, user_id, case_id)).erased == 0
        assert (await billing.platform.holder.verify(user_id))[AT_THE_PROVIDER] == 2
        assert await Answers(billing.platform.holder).ask_again() == 1
    assert await Answers(billing.platform.holder).ask_again() == 0
    assert (await billing.platform.holder.verify(user_id))[AT_THE_PROVIDER] == 0
    assert "erasure.completed" in await billing.published(user_id)
    assert await at_the_provider(sandbox, payment_ids) == 0


async def too_old(billing: Billing) -> Payment:
    """Return a checkout that nobody paid for so long that its row is to go."""
    payment = await billing.service.check_out(await billing.person_with(0), "starter", None)
    made = {"created_at": payment.created_at - timedelta(days=90, minutes=1)}
    await billing.mongo.collection(Payment).update_one({"_id": payment.id}, {"$set": made})
    return payment


async def test_a_checkout_cannot_be_paid_any_more_when_its_payment_goes(
    billing: Billing, sandbox: FastAPI
) -> None:
    payment = await too_old(billing)
    gone = await billing.platform.holder.retain(now())
    assert gone["billing.payments:unpaid"] == 1
    assert await billing.mongo.collection(Payment).count({"_id": payment.id}) == 0
    with pytest.raises(CheckoutNotFound):
        await sandbox.state.checkouts.choose(UUID(payment.provider_reference), Choice.APPROVE)


async def test_a_payment_stays_while_its_checkout_cannot_be_closed(
    billing: Billing, sandbox: FastAPI
) -> None:
    payment = await too_old(billing)
    with out_of_order(sandbox, Faults(refuse_every=1)), pytest.raises(ProviderUnavailable):
        await billing.platform.holder.retain(now())
    await sandbox.state.checkouts.choose(UUID(payment.provider_reference), Choice.APPROVE)
    assert await told(billing, payment, PaymentState.COMPLETED) is Outcome.APPLIED
    await billing.in_transaction(lambda: billing.service.grant(payment.user_id, payment.id))
    await billing.platform.holder.retain(now())
    assert await billing.balance(payment.user_id) == (payment.credits, 0)


async def test_a_checkout_that_opens_when_its_payment_is_gone_is_closed(
    billing: Billing, sandbox: FastAPI
) -> None:
    user_id = await billing.person_with(0)
    payment = await billing.payment_of(user_id)
    await billing.mongo.collection(Payment).delete_one({"_id": payment.id})
    with pytest.raises(PaymentNotFound):
        await billing.service._place(payment)
    assert await at_the_provider(sandbox, [payment.id]) == 0


async def test_money_that_is_booked_for_nobody_is_counted(billing: Billing) -> None:
    user_id = await billing.person_with(0)
    payment = await billing.payment_of(user_id)
    await billing.mongo.collection(Payment).delete_one({"_id": payment.id})
    before = metric(OF_NOBODY)
    for state in (PaymentState.PENDING, PaymentState.COMPLETED, PaymentState.REFUNDED):
        await told(billing, payment, state)
    assert metric(OF_NOBODY) - before == 1


async def test_a_checkout_that_opens_while_its_buyer_is_erased_is_erased_too(
    billing: Billing, sandbox: FastAPI
) -> None:
    user_id = await billing.person_with(0)
    payment = await billing.payment_of(user_id)
    await billing.platform.holder.inventory(user_id, uuid4())
    with pytest.raises(SubjectErased):
        await billing.service._place(payment)
    assert await at_the_provider(sandbox, [payment.id]) == 0


async def test_what_is_told_late_of_a_payment_that_never_was_made_is_taken_and_kept_nowhere(
    billing: Billing, sandbox: FastAPI, merchant_port: int, tmp_path: Path
) -> None:
    user_id = await billing.person_with(0)
    payment = await billing.service.check_out(user_id, "starter", None)
    await sandbox.state.checkouts.choose(UUID(payment.provider_reference), Choice.DECLINE)
    await outcome_of(billing, user_id, uuid4())
    deliveries = sandbox.state.mongo.collection(Delivery)

    async def notices() -> list[Row]:
        return [row for row in await deliveries.find({}) if str(payment.id) in row["body"]]

    held_back = await notices()
    assert held_back

    async def are_gone() -> bool:
        return not await notices()

    async with running(
        Process(tmp_path / "billing.log", environment(billing.settings), merchant_port, BILLING, "api")
    ):
        await eventually(are_gone)
    assert await billing.mongo.collection(Payment).count({"_id": payment.id}) == 0
    told_of = {"_id": {"$in": [row["_id"] for row in held_back]}}
    assert await billing.mongo.collection(WebhookReceipt).count(told_of) == 0
