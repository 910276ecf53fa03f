"""Members of a group come, go and share the work: nothing is lost, nothing is done twice."""

import asyncio
import itertools
from collections import Counter
from functools import partial
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from libs.common.bus.batch_worker import BatchWorker
from libs.common.bus.consumes import Once
from libs.common.bus.process import Bus
from libs.common.bus.stream_worker import StreamWorker
from libs.common.errors import Invalid
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import QUICK, Bench
from tests.common.bus.letters import lanes, letters
from tests.common.bus.test_client_stalls import client_of

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


class Members:
    """Members of one group, and how much each has done."""

    def __init__(self, bench: Bench, io: bool) -> None:
        self._bench, self._io = bench, io
        self.done: Counter[int] = Counter()

    async def join(self, number: int) -> None:
        """Start a member; return once it has done something."""

        async def transactional(event: Noted) -> None:
            await self._bench.note(event)
            self.done[number] += 1

        async def with_io(event: Noted, once: Once) -> None:
            await asyncio.sleep(0.002)
            await self._bench.note_once(event, once)
            self.done[number] += 1

        handler = with_io if self._io else transactional
        bus = self._bench.bus(self._bench.subscription(handler, io=self._io, batch=20, concurrency=4))
        await bus.start()
        await self.get_on(number)

    async def get_on(self, number: int) -> None:
        """Wait until a member has done more."""
        before = self.done[number]

        async def look() -> bool:
            return self.done[number] > before

        await eventually(look)


@BOTH
async def test_three_members_come_and_go(bench: Bench, io: bool) -> None:
    members, enough = Members(bench, io), asyncio.Event()

    async def write() -> int:
        for number in itertools.count():
            await bench.publish(bench.event(user_id=uuid4(), number=number))
            await asyncio.sleep(0.005)
            if enough.is_set():
                return number + 1
        raise AssertionError

    writing = asyncio.create_task(write())
    for number in range(3):
        await members.join(number)
    await bench.buses[0].stop()
    await members.get_on(1)
    await bench.buses[2].stop()
    await members.join(3)
    await members.get_on(1)
    enough.set()
    total = await writing
    await bench.effects_reach(total)
    assert sorted(await bench.effects()) == list(range(total))


async def test_work_that_outlives_its_partitions_is_not_done_twice(bench: Bench) -> None:
    """A handler still at work when a rebalance has had its time finishes, and is not begun beside itself."""
    begun: dict[str, list[int]] = {"first": [], "second": []}
    let_go = asyncio.Event()
    tuned = QUICK.model_copy(update={"drain_s": 0.3})

    def member(name: str) -> Bus:
        async def slow(event: Noted, once: Once) -> None:
            begun[name].append(event.number)
            if event.number == 0:
                await let_go.wait()
            await bench.note_once(event, once)

        return bench.bus(bench.subscription(slow, io=True, concurrency=8), tuned=tuned)

    first, second = member("first"), member("second")
    await first.start()
    await bench.publish(*(bench.event(user_id=uuid4(), number=number) for number in range(100, 110)))
    await bench.publish(bench.event(user_id=uuid4(), number=0))
    await bench.effects_reach(10)
    await second.start()
    await bench.publish(*(bench.event(user_id=uuid4(), number=number) for number in range(200, 220)))
    await bench.effects_reach(30)
    await second.stop()
    await bench.publish(*(bench.event(user_id=uuid4(), number=number) for number in range(300, 320)))
    await bench.effects_reach(50)  # all partitions are the first member's again
    let_go.set()
    await bench.effects_reach(51)
    assert begun["first"].count(0) == 1
    assert len(set(await bench.effects())) == 51 == len(await bench.effects())


async def test_a_late_failure_of_what_another_has_done_writes_no_letter_and_holds_up_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its member did not hear that it lost the partition, as one that was frozen: it had it in hand for long."""
    person, begun, let_go = uuid4(), asyncio.Event(), asyncio.Event()

    async def fails_late(event: Noted, once: Once) -> None:
        begun.set()
        await let_go.wait()
        raise Invalid

    first = bench.bus(bench.subscription(fails_late, io=True))
    await first.start()
    await bench.publish(bench.event(user_id=person, number=0))
    async with asyncio.timeout(20):
        await begun.wait()
    coordinator = client_of(first._consumers[0])._coordinator
    monkeypatch.setattr(coordinator, "_do_heartbeat", asyncio.Event().wait)
    await bench.bus(bench.subscription(bench.note_once, io=True)).start()
    await bench.effects_reach(1)
    let_go.set()
    await eventually(partial(_has_no_jobs, first))
    assert await letters(bench) == []
    assert await lanes(bench) == []
    await first.stop()
    await bench.bus(bench.subscription(bench.note_once, io=True)).start()
    await bench.buses[1].stop()
    await bench.publish(bench.event(user_id=person, number=1))
    assert await bench.effects_reach(2) == [0, 1]


@BOTH
async def test_what_fails_once_its_partition_is_let_go_is_left_to_whoever_has_it_next(
    bench: Bench, io: bool
) -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def fails_late(event: Noted, *once: Once) -> None:
        begun.set()
        await let_go.wait()
        raise Invalid

    tuned = QUICK.model_copy(update={"drain_s": 0.1})
    first = bench.bus(bench.subscription(fails_late, io=io), tuned=tuned)
    await first.start()
    await bench.publish_numbers(1)
    async with asyncio.timeout(20):
        await begun.wait()
    await first._consumers[0].on_partitions_revoked(set())
    let_go.set()
    await eventually(partial(_has_no_jobs, first))
    assert await letters(bench) == []
    await first.stop()
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    await bench.effects_reach(1)


@pytest.mark.slow
async def test_a_rebalance_waits_for_who_settles_what_is_under_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was dropped after as long as one that is dead, and the next rebalance began when it came back."""
    begun, given = asyncio.Event(), list[int]()

    async def takes_its_time(event: Noted, once: Once) -> None:
        begun.set()
        await asyncio.sleep(QUICK.session_timeout_ms / 1000 + 2.5)
        await bench.note_once(event, once)

    handler = bench.subscription(takes_its_time, io=True)
    tuned = QUICK.model_copy(update={"drain_s": 15.0})
    first, second = bench.bus(handler, tuned=tuned), bench.bus(handler, tuned=tuned)
    joins = second._consumers[0]
    assigned = joins.on_partitions_assigned

    async def counted(partitions: set[TopicPartition]) -> None:
        given.append(len(partitions))
        await assigned(partitions)

    async def joined() -> bool:
        return bool(given)

    monkeypatch.setattr(joins, "on_partitions_assigned", counted)
    await first.start()
    await bench.publish_numbers(1)
    async with asyncio.timeout(20):
        await begun.wait()
    await second.start()
    await eventually(joined)
    assert given == [3]
    assert await bench.effects() == [0]


async def _has_no_jobs(bus: Bus) -> bool:
    worker = bus._consumers[0]._worker
    if isinstance(worker, StreamWorker):
        return not worker._tasks
    assert isinstance(worker, BatchWorker)
    return not worker._busy.locked()
