"""A process killed at the worst moment loses nothing and does nothing twice."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from libs.common.bus.consumes import Once
from libs.common.bus.envelope import headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.testing.kafka import committed, raw_producer, records_of
from libs.common.testing.processes import tied
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import NO_SWEEP, Bench
from tests.common.bus.test_dead_letters import all_is_committed

MODULE = "tests.common.bus.crashing"
KILLED = -signal.SIGKILL

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


@asynccontextmanager
async def process(bench: Bench, when: str, *flags: str) -> AsyncIterator[Process]:
    """Another process of the same service, killed at the end if it did not kill itself."""
    command = (sys.executable, "-m", MODULE, bench.name, when, *flags)
    started = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=sys.stderr, preexec_fn=tied()
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def is_up(started: Process) -> None:
    """Wait until the process says that it has begun."""
    assert started.stdout is not None
    while b"started" not in await started.stdout.readline():
        pass


async def test_killed_between_write_and_publish(bench: Bench) -> None:
    async with process(bench, "before-publish", "--relay-only") as doomed:
        await bench.publish_numbers(20)
        assert await doomed.wait() == KILLED
    assert await records_of(bench.bootstrap, bench.topic) == []
    assert await bench.mongo.collection(OutboxRow).count({}) == 20
    await bench.bus(bench.subscription(bench.note), tuned=NO_SWEEP).start()
    assert sorted(await bench.effects_reach(20)) == list(range(20))
    assert len(await records_of(bench.bootstrap, bench.topic)) == 20


async def test_killed_between_publish_and_forgetting(bench: Bench) -> None:
    """What is published twice has its effect once."""
    async with process(bench, "before-forgetting", "--relay-only") as doomed:
        await bench.publish_numbers(20)
        assert await doomed.wait() == KILLED
    assert await bench.mongo.collection(OutboxRow).count({}) == 20
    assert await records_of(bench.bootstrap, bench.topic)
    await bench.bus(bench.subscription(bench.note)).start()
    await everything_is_passed(bench)
    assert sorted(await bench.effects()) == list(range(20))


async def test_what_a_killed_relay_published_twice_is_begun_once(bench: Bench) -> None:
    """Both are taken at once, when neither is done: a second mail could not be called back."""
    begun: list[int] = []

    async def mails(event: Noted, once: Once) -> None:
        begun.append(event.number)
        await bench.note_once(event, once)

    rows = [OutboxRow.of(bench.event(user_id=uuid4(), number=number), "/tests") for number in range(20)]
    async with raw_producer(bench.bootstrap) as producer:
        for row in (*rows, *rows):
            await producer.send(bench.topic, row.body, key=row.key.encode(), headers=headers_of(row))
    await bench.bus(bench.subscription(mails, io=True, concurrency=4)).start()
    await all_is_committed(bench, 2 * len(rows))
    assert sorted(begun) == list(range(20))
    assert sorted(await bench.effects()) == list(range(20))


@BOTH
async def test_killed_between_effect_and_commit_of_offsets(bench: Bench, io: bool) -> None:
    await bench.publish_numbers(20)
    async with process(bench, "before-commit", *(["--io"] if io else [])) as doomed:
        assert await doomed.wait() == KILLED
    done = await bench.effects()
    assert done
    assert not await committed(bench.bootstrap, bench.group, bench.topic)
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    await everything_is_passed(bench)
    assert sorted(await bench.effects()) == list(range(20))


@pytest.mark.slow
async def test_killed_again_and_again_while_events_keep_coming(bench: Bench) -> None:
    """Relay and consumer die at moments nobody chose, and others take over."""
    total, kills = 300, 3

    async def write() -> None:
        for number in range(total):
            await bench.publish(bench.event(user_id=uuid4(), number=number))
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    for _ in range(kills):
        async with process(bench, "never") as doomed:
            await is_up(doomed)
            await asyncio.sleep(1.5)
    async with process(bench, "never"):
        await writing
        assert sorted(await bench.effects_reach(total, within_s=40)) == list(range(total))


async def test_killed_workers_partitions_are_taken_over_within_ten_seconds(bench: Bench) -> None:
    async with process(bench, "never") as doomed:
        await is_up(doomed)
        await bench.publish_numbers(1)
        await bench.effects_reach(1)
        doomed.kill()
    clock = asyncio.get_running_loop().time
    killed_at = clock()
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish_numbers(30)
    await bench.effects_reach(31)
    assert clock() - killed_at < 10


async def everything_is_passed(bench: Bench) -> None:
    """Wait until the outbox is empty and the group has committed all that was ever published."""

    async def look() -> bool:
        if await bench.mongo.collection(OutboxRow).count({}):
            return False
        published = len(await records_of(bench.bootstrap, bench.topic))
        return sum((await committed(bench.bootstrap, bench.group, bench.topic)).values()) == published

    await eventually(look)
