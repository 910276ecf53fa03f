"""Members of a group come, go and share the work: nothing is lost, nothing is done twice."""

import asyncio
import itertools
from collections import Counter
from uuid import uuid4

import pytest

from libs.common.bus.consumes import Once
from libs.common.bus.process import Bus
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import QUICK, Bench

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
