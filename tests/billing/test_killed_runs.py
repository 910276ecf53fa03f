"""A worker is killed in the middle of what an operator ordered: another goes on, and nothing counts twice."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from libs.common.bus.envelope import headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.auth import UserRegisteredV1
from libs.common.events.base import Event
from libs.common.events.billing import AccountOpenedV1, CreditsGrantedV1
from libs.common.rebuild.rebuilds import Rebuilds
from libs.common.rebuild.runs import RebuildRun
from libs.common.replays.replays import Replays
from libs.common.replays.runs import ReplayRun
from libs.common.runs import State
from libs.common.testing.kafka import caught_up, raw_producer
from libs.common.testing.log import begin_anew
from libs.common.testing.processes import Process, environment, free_port, running
from libs.common.testing.waiting import eventually
from services.billing.balances import Balances
from services.billing.models import BalanceRow
from tests.billing.conftest import BILLING, Billing

pytestmark = pytest.mark.slow

STAFF = uuid4()
PEOPLE = [uuid4() for _ in range(300)]
GRANTS = 39
Run = RebuildRun | ReplayRun


@pytest.fixture(scope="module")
async def worker(billing: Billing, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """A worker of billing as a process."""
    log = tmp_path_factory.mktemp("billing") / "worker.log"
    process = Process(log, environment(billing.settings), free_port(), BILLING, "worker")
    async with running(process):
        yield process


async def logged(billing: Billing, events: Iterable[Event]) -> None:
    """Put events into the log, without a trace of them anywhere else."""
    async with raw_producer(billing.settings.kafka_bootstrap) as producer:
        for event in events:
            row = OutboxRow.of(event, "/pixera/billing")
            await producer.send(row.topic, row.body, key=row.key.encode(), headers=headers_of(row))


async def killed_in_the_middle(worker: Process, orders: Rebuilds | Replays, run_id: UUID) -> Run:
    """Kill the worker once a run has come some way; return the run after another worker ended it."""

    async def some_way() -> bool:
        run = await orders.find(run_id)
        return 0 < run.read < run.total

    async def over() -> bool:
        return (await orders.find(run_id)).state.value in ("done", "failed")

    await eventually(some_way, within_s=60)
    worker.kill()
    left = await orders.find(run_id)
    assert 0 < left.read < left.total, "it was over before it was killed: the log is too short for this test"
    worker.launch()
    await eventually(over, within_s=120)
    return await orders.find(run_id)


@asynccontextmanager
async def in_the_way(billing: Billing, user_id: UUID) -> AsyncIterator[None]:
    """Write a balance in a transaction that is open for the block and comes to nothing."""
    written, ended = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        await billing.mongo.collection(BalanceRow).insert_one({"_id": user_id})
        written.set()
        await ended.wait()
        raise LookupError

    writing = asyncio.create_task(billing.mongo.transaction(write))
    await written.wait()
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(writing, return_exceptions=True)


async def test_a_rebuild_goes_on_where_it_was(billing: Billing, worker: Process) -> None:
    await begin_anew(billing.settings.kafka_bootstrap, [event.topic for event in Balances.events])
    await logged(billing, (AccountOpenedV1(user_id=each, opened_at=now()) for each in PEOPLE))
    grants = (CreditsGrantedV1(user_id=each, credits=1, reason="purchase") for each in PEOPLE * GRANTS)
    await logged(billing, grants)
    rebuilds = billing.parts.rebuilds
    assert rebuilds is not None
    run = await rebuilds.ask("billing.balances", STAFF, swap=True)
    ended = await killed_in_the_middle(worker, rebuilds, run.id)
    assert ended.state.value == "done"
    rows = await billing.mongo.collection(BalanceRow).find({"_id": {"$in": PEOPLE}})
    assert [row["available"] for row in rows] == [GRANTS] * len(PEOPLE)


async def test_a_rebuild_that_was_killed_tells_of_all_that_it_did(billing: Billing, worker: Process) -> None:
    """More people than are looked at together, and somebody else at a row of the last: the kill comes in between."""
    people = sorted(uuid4() for _ in range(Balances.people_at_once + 100))
    rows, theirs = billing.mongo.collection(BalanceRow), {"_id": {"$in": people}}
    await rows.delete_many({})
    await begin_anew(billing.settings.kafka_bootstrap, [event.topic for event in Balances.events])
    await logged(billing, (AccountOpenedV1(user_id=each, opened_at=now()) for each in people))
    rebuilds = billing.parts.rebuilds
    assert rebuilds is not None

    async def some_put_right() -> bool:
        return await rows.count(theirs) > 0

    async def over() -> bool:
        return (await rebuilds.find(run.id)).state in (State.DONE, State.FAILED)

    async with in_the_way(billing, people[-1]):
        run = await rebuilds.ask("billing.balances", STAFF, swap=True)
        await eventually(some_put_right, within_s=60)
        worker.kill()
    assert await rows.count(theirs) == Balances.people_at_once
    worker.launch()
    await eventually(over, within_s=120)
    told = (await rebuilds.find(run.id)).result
    assert await rows.count(theirs) == len(people)
    assert (told["corrected"], told["differing"], told["events"]) == (len(people),) * 3
    assert told["compared"] == len(people)


async def test_a_replay_to_a_group_loses_nothing_and_doubles_nothing(
    billing: Billing, worker: Process
) -> None:
    """At a rate, so that the kill comes between two slices of what Kafka gave at once."""
    newcomers = [uuid4() for _ in range(400)]
    at = now()
    registered = (
        UserRegisteredV1(user_id=each, registered_at=at, terms_version="1", policy_version="1")
        for each in newcomers
    )
    await logged(billing, registered)
    rows, theirs = billing.mongo.collection(BalanceRow), {"_id": {"$in": newcomers}}

    async def opened() -> bool:
        return await rows.count(theirs) == len(newcomers)

    await eventually(opened, within_s=120)
    await caught_up(billing.settings.kafka_bootstrap, "billing.open-account", UserRegisteredV1.topic)
    await rows.delete_many(theirs)
    await billing.mongo.collection("inbox").delete_many({"_id": {"$regex": "^billing.open-account"}})
    platform = billing.platform
    replays = Replays(
        billing.settings.kafka_bootstrap,
        platform.mongo,
        platform.work,
        platform.audit,
        billing.parts.subscriptions,
    )
    order = ReplayRun(group="billing.open-account", rate=100, deliver=True, since=at)
    run = await replays.ask(order, STAFF)
    ended = await killed_in_the_middle(worker, replays, run.id)
    assert ended.state is State.DONE
    assert await rows.count(theirs) == len(newcomers), "some were passed over"
