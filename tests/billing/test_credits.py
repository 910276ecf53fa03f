"""Credits on the real database: once per cause, in every order of the events, and never more than there are."""

import asyncio
from collections import Counter
from functools import reduce
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.common.audit import staff_actor
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.auth import UserRegisteredV1, UserVerifiedV1
from libs.common.events.base import Event
from libs.common.events.billing import PaymentCompletedV1
from libs.common.events.generation import (
    GenerationCompletedV1,
    GenerationFailedV1,
    GenerationRequestedV1,
)
from libs.common.events.privacy import ActionRecordedV1
from services.billing.errors import InvalidAmount, PaymentNotFound
from services.billing.ledger import Balance, Kind
from services.billing.models import BalanceRow, Payment
from services.billing.payments import PaymentState
from tests.billing.conftest import Billing

CREDITS = 30
ACTOR = staff_actor(uuid4())


def requested(user_id: UUID, job_id: UUID, credits_: int = CREDITS) -> GenerationRequestedV1:
    return GenerationRequestedV1(user_id=user_id, job_id=job_id, credits=credits_)


def completed(user_id: UUID, job_id: UUID) -> GenerationCompletedV1:
    return GenerationCompletedV1(
        user_id=user_id, job_id=job_id, image_ids=[], object_names=[], credits=CREDITS
    )


def failed(user_id: UUID, job_id: UUID) -> GenerationFailedV1:
    return GenerationFailedV1(user_id=user_id, job_id=job_id, credits=CREDITS, reason="cancelled")


def paid(payment: Payment) -> PaymentCompletedV1:
    return PaymentCompletedV1(
        user_id=payment.user_id,
        payment_id=payment.id,
        package=payment.package,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
    )


GROUP_OF: dict[type[Event], str] = {
    GenerationRequestedV1: "reserve-credits",
    GenerationCompletedV1: "capture-credits",
    GenerationFailedV1: "release-credits",
}


async def test_welcome_credits_are_given_once(billing: Billing) -> None:
    user_id = uuid4()
    registered = UserRegisteredV1(user_id=user_id, registered_at=now(), terms_version="1", policy_version="1")
    await billing.deliver("grant-welcome-credits", UserVerifiedV1(user_id=user_id))
    await billing.deliver("open-account", registered)
    await billing.deliver("open-account", registered)
    await billing.deliver("grant-welcome-credits", UserVerifiedV1(user_id=user_id))
    assert await billing.balance(user_id) == (10, 0)
    assert await billing.published(user_id) == ["account.opened", "credits.granted"]


async def test_a_payment_is_credited_once_also_at_the_same_time(billing: Billing) -> None:
    user_id = uuid4()
    payment = await billing.payment_of(user_id)
    await billing.mongo.collection(Payment).update_one(
        {"_id": payment.id}, {"$set": {"state": PaymentState.COMPLETED.value}}
    )
    await asyncio.gather(*(billing.deliver("grant-credits", paid(payment)) for _ in range(4)))
    assert await billing.balance(user_id) == (100, 0)
    assert await billing.published(user_id) == ["account.opened", "credits.granted"]


async def test_what_was_not_paid_is_not_credited(billing: Billing) -> None:
    payment = await billing.payment_of(uuid4())
    await billing.deliver("grant-credits", paid(payment))
    assert await billing.balance(payment.user_id) == (0, 0)
    with pytest.raises(PaymentNotFound):
        await billing.deliver("grant-credits", paid(payment.model_copy(update={"id": uuid4()})))


async def test_a_job_without_enough_credits_is_declined(billing: Billing) -> None:
    user_id, job_id = await billing.person_with(CREDITS - 1), uuid4()
    await billing.deliver("reserve-credits", requested(user_id, job_id))
    await billing.deliver("reserve-credits", requested(user_id, job_id))
    await billing.deliver("release-credits", failed(user_id, job_id))
    assert await billing.balance(user_id) == (CREDITS - 1, 0)
    assert await billing.published(user_id) == ["account.opened", "credits.granted", "credits.declined"]


async def test_a_job_that_asks_for_nothing_is_refused(billing: Billing) -> None:
    user_id = await billing.person_with(CREDITS)
    with pytest.raises(InvalidAmount):
        await billing.deliver("reserve-credits", requested(user_id, uuid4(), 0))


async def test_a_job_cancelled_before_its_credits_were_reserved_holds_nothing(billing: Billing) -> None:
    user_id, job_id = await billing.person_with(CREDITS), uuid4()
    await billing.deliver("release-credits", failed(user_id, job_id))
    await billing.deliver("reserve-credits", requested(user_id, job_id))
    await billing.deliver("release-credits", failed(user_id, job_id))
    assert await billing.balance(user_id) == (CREDITS, 0)
    assert await billing.published(user_id) == ["account.opened", "credits.granted"]


@given(order=st.lists(st.sampled_from(["requested", "completed", "failed"]), min_size=1, max_size=6))
@example(order=["failed", "requested", "failed", "requested"])
@example(order=["requested", "requested", "completed", "failed", "completed"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_order_of_a_jobs_events_ends_well(billing: Billing, order: list[str]) -> None:
    user_id, job_id = await billing.person_with(2 * CREDITS), uuid4()
    events = {
        "requested": requested(user_id, job_id),
        "completed": completed(user_id, job_id),
        "failed": failed(user_id, job_id),
    }
    for name in order:
        await billing.deliver(GROUP_OF[type(events[name])], events[name])

    reserved = order[0] == "requested"
    end = next((name for name in order if name != "requested"), None) if reserved else "never"
    expected = {None: (CREDITS, CREDITS), "completed": (CREDITS, 0), "failed": (2 * CREDITS, 0)}
    assert await billing.balance(user_id) == expected.get(end, (2 * CREDITS, 0))
    rows = await billing.entries(user_id)
    assert all(count == 1 for count in Counter(row.kind for row in rows).values())
    added_up = reduce(Balance.plus, (row.entry for row in rows), Balance())
    assert added_up == Balance(*await billing.balance(user_id)) == await billing.rebuilt(user_id)


async def test_parallel_reservations_never_overdraw(billing: Billing) -> None:
    jobs = [uuid4() for _ in range(24)]
    user_id = await billing.person_with(10 * CREDITS)
    await asyncio.gather(*(billing.deliver("reserve-credits", requested(user_id, job)) for job in jobs))
    assert await billing.balance(user_id) == (0, 10 * CREDITS)
    told = Counter(await billing.published(user_id))
    assert (told["credits.reserved"], told["credits.declined"]) == (10, 14)

    await asyncio.gather(
        *(billing.deliver("capture-credits", completed(user_id, job)) for job in jobs[::2]),
        *(billing.deliver("release-credits", failed(user_id, job)) for job in jobs),
    )
    available, reserved = await billing.balance(user_id)
    told = Counter(await billing.published(user_id))
    assert reserved == 0
    assert told["credits.captured"] + told["credits.released"] == 10
    assert available == told["credits.released"] * CREDITS
    assert await billing.books() == 0


async def test_a_reservation_and_its_release_at_the_same_time_hold_nothing(billing: Billing) -> None:
    user_id = await billing.person_with(10 * CREDITS)
    jobs = [uuid4() for _ in range(10)]
    await asyncio.gather(
        *(billing.deliver("reserve-credits", requested(user_id, job)) for job in jobs),
        *(billing.deliver("release-credits", failed(user_id, job)) for job in jobs),
    )
    assert await billing.balance(user_id) == (10 * CREDITS, 0)


async def test_balances_are_rebuilt_from_the_entries(billing: Billing) -> None:
    people = [await billing.person_with(3 * CREDITS) for _ in range(3)]
    for user_id in people:
        jobs = [uuid4(), uuid4()]
        for job_id in jobs:
            await billing.deliver("reserve-credits", requested(user_id, job_id))
        await billing.deliver("capture-credits", completed(user_id, jobs[0]))
    true = [await billing.balance(user_id) for user_id in people]
    assert true == [(CREDITS, CREDITS)] * 3

    wrong = {"$set": {"available": 999, "reserved": 0}}
    await billing.mongo.collection(BalanceRow).update_many({"_id": {"$in": people[:2]}}, wrong)
    assert await billing.service.rebuild_balances(ACTOR) == 2
    assert [await billing.balance(user_id) for user_id in people] == true
    assert await billing.service.rebuild_balances(ACTOR) == 0
    rows = await billing.mongo.collection(OutboxRow).find({"topic": ActionRecordedV1.topic})
    told = [ActionRecordedV1.model_validate_json(row["body"]) for row in rows]
    assert [(each.action, each.actor) for each in told] == [("balances.rebuilt", ACTOR)] * 2


async def test_the_ledger_is_read_by_pages(billing: Billing) -> None:
    user_id = await billing.person_with(10 * CREDITS)
    for _ in range(4):
        await billing.deliver("reserve-credits", requested(user_id, uuid4()))
    rows = await billing.entries(user_id)
    assert [row.kind for row in rows] == [Kind.WELCOME, *[Kind.RESERVATION] * 4]
    assert all(earlier.created_at <= later.created_at for earlier, later in pairwise(rows))
