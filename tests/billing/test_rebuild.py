"""Balances rebuilt from the log are the live ones, byte for byte, while everybody goes on spending."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from libs.common.bus.envelope import headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.replay import LogUnavailable, Reading
from libs.common.clock import now
from libs.common.errors import SubjectErased
from libs.common.events.auth import UserRegisteredV1, UserVerifiedV1
from libs.common.events.billing import AccountOpenedV1, CreditsGrantedV1, CreditsRefundedV1
from libs.common.events.generation import (
    GenerationCompletedV1,
    GenerationFailedV1,
    GenerationRequestedV1,
)
from libs.common.mongo import row_bytes
from libs.common.rebuild.rebuilds import RebuildUnderWay, UnknownModel
from libs.common.rebuild.runs import RebuildRun
from libs.common.runs import MOST_TRIES, State
from libs.common.testing.kafka import raw_producer
from libs.common.testing.log import all_published, begin_anew
from libs.common.testing.waiting import eventually
from services.billing import balances
from services.billing.errors import PaymentFrozen, PaymentNotFound
from services.billing.ledger import Kind
from services.billing.models import BalanceFacts, BalanceRow
from services.billing.payments import PaymentState
from tests.billing.conftest import TOPICS, Billing, rebuilds_of
from tests.billing.test_erasure import erase, told

STAFF = uuid4()


async def rebuilt(billing: Billing, *, swap: bool = False) -> RebuildRun:
    run = await rebuilds_of(billing).ask("billing.balances", STAFF, swap=swap)
    return await done(billing, run)


async def done(billing: Billing, run: RebuildRun) -> RebuildRun:
    async def over() -> bool:
        return (await rebuilds_of(billing).find(run.id)).state in (State.DONE, State.FAILED)

    await eventually(over, within_s=120)
    return await rebuilds_of(billing).find(run.id)


class Life:
    """People who do at random what people do, from a seed."""

    def __init__(self, billing: Billing, seed: int, people: int) -> None:
        self.billing, self.random = billing, random.Random(seed)
        self.people = [uuid4() for _ in range(people)]
        self.open: dict[UUID, list[UUID]] = {}

    async def go_on(self, steps: int) -> None:
        for _ in range(steps):
            with suppress(SubjectErased, PaymentFrozen, PaymentNotFound):  # the one who is erased meanwhile
                await self._step(self.random.choice(self.people))

    async def _step(self, user_id: UUID) -> None:
        match self.random.randrange(6):
            case 0:
                at = now()
                registered = UserRegisteredV1(
                    user_id=user_id, registered_at=at, terms_version="1", policy_version="1"
                )
                await self.billing.deliver("open-account", registered)
            case 1:
                await self.billing.deliver("grant-welcome-credits", UserVerifiedV1(user_id=user_id))
            case 2:
                await self._buy(user_id, refunded=self.random.random() < 0.5)
            case 3:
                job_id = uuid4()
                requested = GenerationRequestedV1(
                    user_id=user_id, job_id=job_id, credits=self.random.randint(1, 9)
                )
                await self.billing.deliver("reserve-credits", requested)
                self.open.setdefault(user_id, []).append(job_id)
            case _:
                await self._end_a_job(user_id)

    async def _buy(self, user_id: UUID, *, refunded: bool) -> None:
        payment = await self.billing.payment_of(user_id)
        await told(self.billing, payment, PaymentState.COMPLETED)
        await self.billing.platform.work.run(
            lambda: self.billing.service.grant(user_id, payment.id), subject=user_id
        )
        if refunded:
            await told(self.billing, payment, PaymentState.REFUNDED)

    async def _end_a_job(self, user_id: UUID) -> None:
        if not (jobs := self.open.get(user_id)):
            return
        job_id = jobs.pop()
        if self.random.random() < 0.5:
            completed = GenerationCompletedV1(
                user_id=user_id, job_id=job_id, image_ids=[], object_names=[], credits=1
            )
            await self.billing.deliver("capture-credits", completed)
        else:
            failed = GenerationFailedV1(user_id=user_id, job_id=job_id, credits=1, reason="cancelled")
            await self.billing.deliver("release-credits", failed)


async def test_an_outage_uses_up_no_tries(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise LogUnavailable

    rebuilds = rebuilds_of(billing)
    await rebuilds.prepare()
    run = await rebuilds.ask("billing.balances", STAFF, swap=False)
    with monkeypatch.context() as patched:
        patched.setattr(Reading, "open", away)
        for _ in range(MOST_TRIES + 2):
            with pytest.raises(LogUnavailable):
                await rebuilds.work_for_ever()
    working = asyncio.create_task(rebuilds.work_for_ever())
    assert (await done(billing, run)).state is State.DONE
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


@pytest.mark.parametrize("seed", [4, 2026])
async def test_the_rebuilt_model_is_the_live_one_under_writes(log: Billing, seed: int) -> None:
    life = Life(log, seed, people=24)
    await asyncio.gather(*(life.go_on(30) for _ in range(4)))
    run = await rebuilds_of(log).ask("billing.balances", STAFF, swap=False)
    with pytest.raises(RebuildUnderWay):
        await rebuilds_of(log).ask("billing.balances", STAFF, swap=False)
    writing = asyncio.gather(*(life.go_on(40) for _ in range(4)))
    await erase(log, life.people[0])
    verdict = await done(log, run)
    await writing
    assert verdict.state is State.DONE
    assert verdict.equal, verdict.result
    assert verdict.result["compared"] >= 15
    assert verdict.result["differing"] == verdict.result["older"] == verdict.result["unsettled"] == 0
    again = await rebuilt(log)
    there = await log.mongo.collection(BalanceRow).count({})
    assert again.equal, again.result
    assert again.result["compared"] == there
    assert await log.mongo.collection(BalanceRow).count({"_id": life.people[0]}) == 0
    assert await log.mongo.collection(BalanceFacts).count({}) == 0, "what was folded goes with the rebuild"
    assert await log.mongo.collection("inbox").count({"_id": {"$regex": "^rebuild"}}) == 0


async def test_an_event_that_was_published_twice_counts_once(log: Billing) -> None:
    user_id = await log.person_with(10)
    await all_published(log.platform)
    row = OutboxRow.of(CreditsGrantedV1(user_id=user_id, credits=7, reason="purchase"), "/pixera/billing")
    async with raw_producer(log.settings.kafka_bootstrap) as producer:
        for _ in range(3):
            await producer.send_and_wait(
                "credits.granted", row.body, key=row.key.encode(), headers=headers_of(row)
            )
    await log.mongo.collection(BalanceRow).update_one({"_id": user_id}, {"$inc": {"available": 7}})
    verdict = await rebuilt(log)
    assert verdict.equal, verdict.result


async def test_a_wrong_balance_is_found_and_only_a_swap_puts_it_right(log: Billing) -> None:
    life = Life(log, 7, people=8)
    await life.go_on(80)
    rows = log.mongo.collection(BalanceRow)
    before = {row["_id"]: row_bytes(row) for row in await rows.find({})}
    wrong, missing = sorted(before)[:2]
    await rows.update_one({"_id": wrong}, {"$inc": {"available": 1}})
    await rows.delete_one({"_id": missing})
    found = await rebuilt(log)
    assert (found.equal, found.result["differing"], found.result["corrected"]) == (False, 2, 0)
    assert {row["_id"]: row_bytes(row) for row in await rows.find({})} != before
    swapped = await rebuilt(log, swap=True)
    assert (swapped.equal, swapped.result["corrected"]) == (True, 2)
    assert {row["_id"]: row_bytes(row) for row in await rows.find({})} == before


async def test_a_wrong_fold_is_seen(log: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = uuid4()
    payment = await log.payment_of(user_id)
    await told(log, payment, PaymentState.COMPLETED)
    await log.in_transaction(lambda: log.service.grant(user_id, payment.id))
    await told(log, payment, PaymentState.REFUNDED)
    assert (await rebuilt(log)).equal
    monkeypatch.setattr(balances, "KINDS", balances.KINDS | {CreditsRefundedV1: Kind.PURCHASE})
    verdict = await rebuilt(log)
    assert (verdict.equal, verdict.result["differing"]) == (False, 1)


async def test_what_a_refund_takes_from_jobs_is_in_the_log_too(log: Billing) -> None:
    user_id, jobs = uuid4(), [uuid4(), uuid4()]
    payment = await log.payment_of(user_id)
    await told(log, payment, PaymentState.COMPLETED)
    await log.in_transaction(lambda: log.service.grant(user_id, payment.id))
    for job_id in jobs:
        await log.in_transaction(partial(log.service.credits.reserve, user_id, job_id, 45))
    await told(log, payment, PaymentState.REFUNDED)
    await log.in_transaction(lambda: log.service.credits.release(user_id, jobs[0]))
    await log.in_transaction(lambda: log.service.credits.capture(user_id, jobs[1]))
    assert await log.balance(user_id) == (0, 0)
    verdict = await rebuilt(log)
    assert (verdict.equal, verdict.result["compared"]) == (True, 1)


async def test_what_began_before_the_log_is_counted_and_never_called_equal(log: Billing) -> None:
    older = await log.person_with(10)
    await all_published(log.platform)
    await begin_anew(log.settings.kafka_bootstrap, TOPICS)
    await log.person_with(20)
    await log.in_transaction(lambda: log.service.credits.reserve(older, uuid4(), 3))
    verdict = await rebuilt(log, swap=True)
    assert (verdict.equal, verdict.result["older"], verdict.result["compared"]) == (False, 1, 1)
    assert await log.balance(older) == (7, 3)


@pytest.mark.parametrize(("days", "older"), [(400.5, 1), (399.5, 0)])
async def test_what_began_when_the_log_begins_may_lack_events_of_other_topics(
    log: Billing, days: float, older: int
) -> None:
    user_id, opened_at = uuid4(), now() - timedelta(days=days)
    row = BalanceRow(user_id=user_id, available=0, reserved=0, opened_at=opened_at)
    await log.mongo.collection(BalanceRow).insert_one(dict(sorted(row.to_mongo().items())))
    opened = AccountOpenedV1(user_id=user_id, opened_at=opened_at)
    await log.in_transaction(lambda: log.platform.outbox.add(opened))
    await log.in_transaction(lambda: log.service.credits.welcome(user_id, 10))
    await all_published(log.platform)
    if older:  # the broker deletes by whole segments, and each topic has its own
        await begin_anew(log.settings.kafka_bootstrap, [CreditsGrantedV1.topic])
    verdict = await rebuilt(log, swap=True)
    assert (verdict.equal, verdict.result["older"]) == (not older, older)
    assert await log.balance(user_id) == (10, 0)


async def test_unknown_models_are_refused(billing: Billing) -> None:
    with pytest.raises(UnknownModel):
        await rebuilds_of(billing).ask("billing.everything", STAFF, swap=False)
