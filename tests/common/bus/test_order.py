"""What concerns one subject has its effect in the order it happened."""

import asyncio
import functools
import itertools
import random
from collections import defaultdict
from uuid import UUID, uuid4

import pytest

from libs.common.bus import outbox
from libs.common.bus.consumes import Once
from libs.common.testing.kafka import committed, records_of
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import QUICK, Bench, Effect

PEOPLE, EACH = 8, 25


async def publish_interleaved(bench: Bench) -> None:
    """Let each of several people note 0, 1, 2, …, in transactions of varying size."""
    people = [uuid4() for _ in range(PEOPLE)]
    for number in range(EACH):
        await bench.publish(*(bench.event(user_id=person, number=number) for person in people))


async def order_by_person(bench: Bench) -> dict[UUID, list[int]]:
    """Return each person's numbers in the order of their effects."""
    found: dict[UUID, list[int]] = defaultdict(list)
    for row in await bench.mongo.collection(Effect).find({}, sort=[("_id", 1)]):
        found[row["user_id"]].append(row["number"])
    return found


async def test_transactional_handlers_keep_each_subjects_order(bench: Bench) -> None:
    await bench.bus(bench.subscription(bench.note, batch=20)).start()
    await publish_interleaved(bench)
    await bench.effects_reach(PEOPLE * EACH)
    assert all(numbers == list(range(EACH)) for numbers in (await order_by_person(bench)).values())


async def test_io_handlers_keep_each_subjects_order_and_work_side_by_side(bench: Bench) -> None:
    at_work, most = 0, 0

    async def slow(event: Noted, once: Once) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(random.uniform(0, 0.01))
        at_work -= 1
        await bench.note_once(event, once)

    await bench.bus(bench.subscription(slow, io=True, concurrency=4)).start()
    await publish_interleaved(bench)
    await bench.effects_reach(PEOPLE * EACH)
    assert all(numbers == list(range(EACH)) for numbers in (await order_by_person(bench)).values())
    assert most == 4


async def test_one_slow_event_holds_up_nobody_else(bench: Bench) -> None:
    """There is no batch to wait for: places that are free are used at once."""
    let_go = asyncio.Event()

    async def first_hangs(event: Noted, once: Once) -> None:
        if event.number == 0:
            await let_go.wait()
        await bench.note_once(event, once)

    await bench.bus(bench.subscription(first_hangs, io=True, concurrency=2)).start()
    await bench.publish_numbers(100)
    assert 0 not in await bench.effects_reach(99)
    let_go.set()
    assert 0 in await bench.effects_reach(100)


@pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
async def test_an_event_waits_for_the_one_before_it(bench: Bench, io: bool) -> None:
    """While an event of a subject is retried, the subject's next one is not begun."""
    tried: list[int] = []

    async def fails_first(event: Noted, *once: Once) -> None:
        tried.append(event.number)
        if event.number == 0 and tried.count(0) < 4:
            raise ConnectionError
        if once:
            await bench.note_once(event, once[0])
        else:
            await bench.note(event)

    await bench.bus(bench.subscription(fails_first, io=io, batch=1, concurrency=4)).start()
    await bench.publish_numbers(2, uuid4())

    async def both() -> bool:
        return len(await bench.effects()) == 2

    await eventually(both)
    assert tried == [0, 0, 0, 0, 1]


async def test_offsets_stay_behind_what_is_not_settled(bench: Bench) -> None:
    """The first of a partition hangs, all after it are done: a restart does the first, and only that, again."""
    calls: list[int] = []
    hanging = asyncio.Event()

    async def first_hangs(event: Noted, once: Once) -> None:
        calls.append(event.number)
        if event.number == 0 and not hanging.is_set():
            hanging.set()
            await asyncio.Event().wait()
        await bench.note_once(event, once)

    await bench.publish(*(bench.event(user_id=uuid4(), number=number) for number in range(40)))
    subscription = bench.subscription(first_hangs, io=True, concurrency=4)
    tuned = QUICK.model_copy(update={"drain_s": 0.2})
    await bench.bus(subscription, tuned=tuned).start()
    await bench.effects_reach(39)
    await bench.buses[0].stop()
    passed = await committed(bench.bootstrap, bench.group, bench.topic)
    (stuck,) = [
        record
        for record in await records_of(bench.bootstrap, bench.topic)
        if bench.event.model_validate_json(record.value or b"").number == 0
    ]
    assert passed.get(stuck.partition, 0) <= stuck.offset
    await bench.bus(subscription).start()
    assert sorted(await bench.effects_reach(40)) == list(range(40))
    assert sorted(calls) == [0, *range(40)]


async def test_workers_places_stay_busy(bench: Bench) -> None:
    """A place that one job leaves is the next one's at once: nobody waits for the other three."""
    jobs: list[asyncio.Event] = []

    async def render(event: Noted, once: Once) -> None:
        jobs.append(asyncio.Event())
        await jobs[-1].wait()

    async def are_begun(number: int) -> None:
        await eventually(functools.partial(_counts, jobs, number))

    await bench.publish(*(bench.event(user_id=uuid4(), number=number) for number in range(12)))
    await bench.bus(bench.subscription(render, io=True, concurrency=4)).start()
    for left in range(8):
        await are_begun(left + 4)
        jobs[left].set()
    await are_begun(12)
    for job in jobs:
        job.set()


async def _counts(jobs: list[asyncio.Event], number: int) -> bool:
    return len(jobs) == number


async def test_what_waits_is_published_in_the_order_of_writing_whatever_the_writers_clocks_say(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an outage: who writes first has a clock ahead of who writes next, so its id is the later one."""
    person, ids = uuid4(), itertools.count(2**120, -1)
    monkeypatch.setattr(outbox, "new_id", lambda: UUID(int=next(ids)))
    for number in range(6):
        await bench.publish(bench.event(user_id=person, number=number))
    await bench.bus(bench.subscription(bench.note)).start()
    assert await bench.effects_reach(6) == list(range(6))
