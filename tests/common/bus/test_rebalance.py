"""Members of a group come, go and share the work: nothing is lost, nothing is done twice."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from libs.common.bus.consumes import Once
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
TOTAL = 900


@BOTH
async def test_three_members_come_and_go(bench: Bench, io: bool) -> None:
    done_by: Counter[int] = Counter()

    def member(number: int) -> object:
        async def transactional(event: Noted) -> None:
            await bench.note(event)
            done_by[number] += 1

        async def with_io(event: Noted, once: Once) -> None:
            await asyncio.sleep(0.002)
            await bench.note_once(event, once)
            done_by[number] += 1

        handler = with_io if io else transactional
        return bench.bus(bench.subscription(handler, io=io, batch=20, concurrency=4))

    async def write() -> None:
        for first in range(0, TOTAL, 3):
            await bench.publish(*(bench.event(user_id=uuid4(), number=first + n) for n in range(3)))
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    for number in range(3):
        member(number)
        await bench.buses[number].start()
        await asyncio.sleep(0.8)
    await bench.buses[0].stop()
    await writing
    found = await bench.effects_reach(TOTAL)
    await asyncio.sleep(0.5)  # for what would come twice
    assert sorted(await bench.effects()) == list(range(TOTAL)) == sorted(found)
    assert all(done_by[number] > 0 for number in range(3))


async def test_work_that_outlives_its_partitions_is_not_done_twice(bench: Bench) -> None:
    """A handler still at work when a rebalance has had its time finishes; nobody else does it again."""
    begun: list[int] = []
    let_go = asyncio.Event()

    async def slow(event: Noted, once: Once) -> None:
        begun.append(event.number)
        if event.number == 0:
            await let_go.wait()
        await bench.note_once(event, once)

    await bench.bus(bench.subscription(slow, io=True, concurrency=8)).start()
    await bench.publish_numbers(10)
    await bench.effects_reach(9)
    await bench.bus(bench.subscription(slow, io=True, concurrency=8)).start()
    await asyncio.sleep(6)  # the first member's drain is over, the partitions are shared anew
    let_go.set()
    await bench.effects_reach(10)
    await asyncio.sleep(0.5)
    assert sorted(await bench.effects()) == list(range(10))
