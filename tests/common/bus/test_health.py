"""Health is progress: who has nothing to do is well, who is behind and stands still is not."""

import asyncio
import time
from functools import partial
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY

from libs.common.bus import process
from libs.common.bus.consumes import Once
from libs.common.bus.process import Bus
from libs.common.bus.topics import ensure_topics
from libs.common.testing.metrics import metric
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import QUICK, Bench

IMPATIENT = QUICK.model_copy(update={"stuck_after_s": 0.6})


async def test_stuck_handler_makes_its_group_unhealthy_until_it_gets_on(bench: Bench) -> None:
    let_go = asyncio.Event()

    async def hangs(event: Noted, once: Once) -> None:
        await let_go.wait()
        await bench.note_once(event, once)

    bus = bench.bus(bench.subscription(hangs, io=True, concurrency=2), tuned=IMPATIENT)
    await bus.start()
    await asyncio.sleep(1.0)
    assert await bus.healthy() == {"relay": True, bench.group: True}  # idle for longer than its patience
    await bench.publish_numbers(5)

    async def is_healthy() -> bool:
        return (await bus.healthy())[bench.group]

    async def is_stuck() -> bool:
        return not await is_healthy()

    await eventually(is_stuck)
    assert not (await bus.live())[bench.group]
    await bus.none_halted()
    assert metric("pixera_consumer_lag", group=bench.group, topic=bench.topic) == 5
    let_go.set()
    await eventually(is_healthy)
    assert metric("pixera_consumer_lag", group=bench.group, topic=bench.topic) == 0


@pytest.mark.parametrize(
    "error", [ValueError("unforeseen"), asyncio.CancelledError()], ids=["bug", "library's"]
)
async def test_a_consumer_that_begins_anew_for_ever_is_not_alive_until_it_gets_on(
    bench: Bench, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each client is gone before anybody looks how far it came."""
    bus = bench.bus(bench.subscription(bench.note), tuned=IMPATIENT.model_copy(update={"lag_every_s": 0.5}))
    worker = bus._consumers[0]._worker
    began_at = time.time()
    await bus.start()

    async def fails(*_: Any) -> None:
        raise error

    async def lives() -> bool:
        return (await bus.live())[bench.group]

    with monkeypatch.context() as broken:
        broken.setattr(worker, "take", fails)
        await bench.publish_numbers(5)
        await eventually(partial(_is_dead, bus, bench.group), within_s=10)
        assert metric("pixera_consumer_last_progress_timestamp_seconds", group=bench.group) >= began_at
    await bench.effects_reach(5)
    await eventually(lives)


async def test_passing_trouble_that_lasts_leaves_a_consumer_alive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is to be done, or can be, a new process would not mend it."""
    bus = bench.bus(bench.subscription(bench.note), tuned=IMPATIENT)
    failures = list[float]()

    async def away() -> None:
        failures.append(time.monotonic())
        raise KafkaConnectionError

    async def long_enough() -> bool:
        return len(failures) > 1 and failures[-1] - failures[0] > IMPATIENT.stuck_after_s

    monkeypatch.setattr(bus._consumers[0]._subscriber, "start", away)
    await bus.start()
    await eventually(long_enough)
    assert (await bus.live())[bench.group]


async def test_the_lag_of_what_is_another_members_by_now_is_not_shown_any_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = bench.bus(bench.subscription(bench.note))
    await bus.start()

    async def is_shown() -> bool:
        labels = {"group": bench.group, "topic": bench.topic}
        return REGISTRY.get_sample_value("pixera_consumer_lag", labels) is not None

    async def is_gone() -> bool:
        return not await is_shown()

    await eventually(is_shown)
    monkeypatch.setattr(bus._consumers[0]._subscriber.consumer, "assignment", frozenset)
    await eventually(is_gone)


async def test_a_consumer_that_ended_though_nobody_stopped_it_is_not_alive(bench: Bench) -> None:
    bus = bench.bus(bench.subscription(bench.note))
    await bus.start()
    await bench.publish_numbers(1)
    await bench.effects_reach(1)
    assert await bus.live() == {"relay": True, bench.group: True}
    bus._tasks[1].cancel()
    await eventually(partial(_is_dead, bus, bench.group))


@pytest.mark.parametrize("error", [KeyError("a topic"), asyncio.CancelledError()], ids=["bug", "library's"])
async def test_a_consumer_begins_whatever_kept_its_topics_from_being_made(
    bench: Bench, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles = [error]

    async def fails_once(*asked: Any) -> None:
        if troubles:
            raise troubles.pop()
        await ensure_topics(*asked)

    monkeypatch.setattr(process, "ensure_topics", fails_once)
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish_numbers(1)
    await bench.effects_reach(1)


async def test_consumers_that_never_began_are_not_alive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ends() -> None:
        raise SystemError

    bus = bench.bus(bench.subscription(bench.note))
    monkeypatch.setattr(bus, "ensure_topics", ends)
    await bus.start()
    assert await eventually(partial(_is_dead, bus, bench.group))
    assert not (await bus.healthy())[bench.group]


async def _is_dead(bus: Bus, group: str) -> bool:
    return not (await bus.live())[group]


async def test_how_old_the_outbox_is_shows_while_nobody_can_publish(bench: Bench) -> None:
    """As long as Kafka is away a publication has no end, and the relay waits for it."""
    settings = bench.settings
    bench.settings = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"})
    bus = bench.bus(bench.subscription(bench.note))
    measuring = asyncio.create_task(bus.measure())  # the relay has not even begun
    await bench.publish_numbers(3)

    async def shows() -> bool:
        return metric("pixera_outbox_oldest_age_seconds") > 0 and metric("pixera_outbox_pending") == 3

    await eventually(shows)
    measuring.cancel()
    bench.buses.clear()
    bench.settings = settings


async def test_what_happens_is_counted(bench: Bench) -> None:
    before = time.time()
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish_numbers(10)
    await bench.effects_reach(10)

    async def counted() -> bool:
        labels = {"group": bench.group, "topic": bench.topic}
        return metric("pixera_consumer_events_total", **labels, outcome="done") == 10

    await eventually(counted)
    assert metric("pixera_relay_published_total", topic=bench.topic) == 10
    assert metric("pixera_event_age_seconds_count", group=bench.group, topic=bench.topic) == 10
    assert metric("pixera_consumer_last_progress_timestamp_seconds", group=bench.group) >= before


async def test_bus_begins_before_the_broker_is_there_and_stops_without_it(bench: Bench) -> None:
    nowhere = bench.settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"})
    bench.settings = nowhere
    bus = bench.bus(bench.subscription(bench.note))
    await bus.start()
    await bench.publish_numbers(3)
    await asyncio.sleep(0.5)
    async with asyncio.timeout(10):
        await bus.stop()
    bench.buses.clear()
