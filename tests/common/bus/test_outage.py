"""Servers that go away and come back: events wait, and nothing is lost."""

import asyncio

import pytest

from deploy.local.spawn import RunningStack
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.producer import Message, Producer
from libs.common.bus.relay import Relay
from libs.common.errors import Unavailable
from libs.common.mongo import PASSING_ERRORS
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import NO_SWEEP, Bench

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


@pytest.mark.slow
@BOTH
async def test_database_killed_while_events_are_handled(stack: RunningStack, bench: Bench, io: bool) -> None:
    handler = bench.note_once if io else bench.note
    await bench.bus(bench.subscription(handler, io=io, batch=10, concurrency=4)).start()
    await bench.publish_numbers(300)
    await bench.effects_reach(20)
    stack.kill("mongod")
    await come_back(bench)
    await bench.publish_numbers(5)
    found = await bench.effects_reach(305, within_s=60)
    assert sorted(found) == sorted([*range(300), *range(5)])


@pytest.mark.slow
async def test_broker_killed_while_events_are_published(stack: RunningStack, bench: Bench) -> None:
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish_numbers(10)
    await bench.effects_reach(10)
    stack.kill("kafka")
    await bench.publish_numbers(50)  # what is written goes on being written
    found = await bench.effects_reach(60, within_s=60)
    assert sorted(found) == sorted([*range(10), *range(50)])

    async def is_empty() -> bool:
        return await bench.mongo.collection(OutboxRow).count({}) == 0

    await eventually(is_empty)


@BOTH
async def test_what_passes_is_waited_for_however_long(bench: Bench, io: bool) -> None:
    """More failures than an unnamed error would be allowed."""
    tries = 0

    async def not_yet(event: Noted, *_: object) -> None:
        nonlocal tries
        tries += 1
        if tries <= 12:
            raise (Unavailable(), ConnectionError(), TimeoutError())[tries % 3]
        await bench.mongo.transaction(lambda: bench.note(event))

    await bench.bus(bench.subscription(not_yet, io=io)).start()
    await bench.publish_numbers(1)
    assert await bench.effects_reach(1) == [0]
    assert tries >= 13


async def test_change_stream_that_ends_is_opened_anew(bench: Bench) -> None:
    await bench.bus(bench.subscription(bench.note), tuned=NO_SWEEP).start()
    await bench.publish_numbers(1)
    await bench.effects_reach(1)
    await bench.mongo.collection(OutboxRow).raw.drop()  # invalidates the stream
    await bench.mongo.prepare([OutboxRow])
    await bench.publish_numbers(2)
    assert sorted(await bench.effects_reach(3)) == [0, 0, 1]


async def test_change_stream_that_ends_during_a_publication_is_opened_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Producer.publish

    async def losing_the_stream(self: Producer, messages: list[Message]) -> list[Exception | None]:
        monkeypatch.setattr(Producer, "publish", publish)
        await bench.mongo.collection(OutboxRow).raw.drop()  # invalidates the stream
        await eventually(lambda: asyncio.sleep(0, result=not _is_running("relay-stream")))
        return await publish(self, messages)

    await bench.bus(bench.subscription(bench.note), tuned=NO_SWEEP).start()
    await bench.publish_numbers(1)
    await bench.effects_reach(1)
    monkeypatch.setattr(Producer, "publish", losing_the_stream)
    await bench.publish_numbers(1)
    await bench.effects_reach(2)
    await bench.mongo.prepare([OutboxRow])
    await bench.publish_numbers(2)
    assert sorted(await bench.effects_reach(4)) == [0, 0, 0, 1]


async def test_sweep_publishes_what_the_stream_missed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(_: Relay, opened: asyncio.Event) -> None:
        opened.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Relay, "_follow", blind)
    await bench.bus(bench.subscription(bench.note)).start()
    await asyncio.sleep(0.5)  # the first read of the collection is over
    await bench.publish_numbers(5)
    assert sorted(await bench.effects_reach(5)) == list(range(5))


def _is_running(name: str) -> bool:
    return any(task.get_name() == name for task in asyncio.all_tasks())


async def come_back(bench: Bench) -> None:
    """Wait until the database answers again."""

    async def answers() -> bool:
        try:
            await bench.mongo.ping()
        except PASSING_ERRORS:
            await asyncio.sleep(0.2)
            return False
        return True

    await eventually(answers, within_s=60)
