"""The log is read again exactly as it was asked for, by whoever keeps up with it, and without anybody noticing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from libs.common.bus.envelope import Record
from libs.common.bus.replay import LogUnavailable, Reading
from libs.common.bus.selection import Selection, paced
from libs.common.bus.topics import Topic, ensure_topics
from libs.common.settings import CommonSettings
from libs.common.testing.kafka import raw_producer
from tests.common.bus.harness import Stamped

T0 = 1_790_000_000_000


class Log:
    """Topics of a test's own, and records put into them by hand."""

    def __init__(self, bootstrap: str, producer: AIOKafkaProducer, topics: tuple[str, ...]) -> None:
        self.bootstrap, self.topics, self._producer = bootstrap, topics, producer

    async def put(
        self, topic: int, at_s: float, key: str, *, kind: str | None = "pixera.a.v1", body: bytes = b"{}"
    ) -> tuple[int, int]:
        """Write a record at a time of the log; return its partition and offset."""
        headers = [] if kind is None else [("ce_type", kind.encode())]
        sent = await self._producer.send_and_wait(
            self.topics[topic],
            body,
            key=key.encode(),
            headers=headers,
            timestamp_ms=T0 + int(at_s * 1000),
        )
        return sent.partition, sent.offset

    @asynccontextmanager
    async def reading(self, **selection: object) -> AsyncIterator[Reading]:
        chosen = Selection(**{"topics": self.topics, **selection})  # type: ignore[arg-type]
        reading = await Reading.open(self.bootstrap, chosen)
        try:
            yield reading
        finally:
            await reading.close()

    async def read(self, **selection: object) -> list[Record]:
        async with self.reading(**selection) as reading:
            return [record async for batch in reading.batches() for record in batch]


@pytest.fixture
async def log(common_settings: CommonSettings) -> AsyncIterator[Log]:
    topics = tuple(f"t{uuid4().hex[:8]}" for _ in range(3))
    await ensure_topics(common_settings.kafka_bootstrap, [Stamped(name, partitions=3) for name in topics])
    async with raw_producer(common_settings.kafka_bootstrap) as producer:
        yield Log(common_settings.kafka_bootstrap, producer, topics)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0 / 1000 + seconds, UTC)


def times(records: list[Record]) -> list[float]:
    return [(record.timestamp - T0) / 1000 for record in records]


async def test_time_type_and_subject_choose(log: Log) -> None:
    me = uuid4()
    for second in range(10):
        await log.put(second % 3, second, str(uuid4()), kind=f"pixera.a.v{second % 2}")
    await log.put(0, 4.5, str(me))
    await log.put(1, 5.5, str(uuid4()), body=b'{"user_id":"%b"}' % str(me).encode())
    assert len(await log.read()) == 12
    assert sorted(times(await log.read(since=at(3), until=at(5)))) == [3, 4, 4.5]
    assert sorted(times(await log.read(types=frozenset({"pixera.a.v0"})))) == [0, 2, 4, 6, 8]
    assert sorted(times(await log.read(subject=me))) == [4.5, 5.5]
    assert await log.read(since=at(100)) == []
    assert await log.read(topics=("no-such-topic",)) == []


async def test_a_producer_whose_clock_was_ahead_hides_nothing_behind_its_record(
    common_settings: CommonSettings,
) -> None:
    bootstrap, topic = common_settings.kafka_bootstrap, f"t{uuid4().hex[:8]}"
    await ensure_topics(bootstrap, [Topic(topic)])
    async with raw_producer(bootstrap) as producer:
        begun = datetime.now(UTC)
        for ahead_s in (0, 600, 0):
            stamp = int((begun.timestamp() + ahead_s) * 1000)
            await producer.send_and_wait(topic, b"{}", key=b"k", timestamp_ms=stamp)
    until = datetime.now(UTC) + timedelta(seconds=1)
    reading = await Reading.open(bootstrap, Selection((topic,), until=until))
    try:
        assert len([record async for batch in reading.batches() for record in batch]) == 3
    finally:
        await reading.close()


async def test_a_record_of_no_type_is_never_hidden_by_a_choice_of_types(log: Log) -> None:
    await log.put(0, 1, "k", kind=None)
    assert len(await log.read(types=frozenset({"pixera.a.v1"}))) == 1


async def test_order_of_time_over_topics_keeps_the_order_of_each_partition(log: Log) -> None:
    placed: dict[tuple[str, int], list[int]] = {}
    for number in range(300):
        topic = (number * 7) % 3
        jitter = -3 if number % 50 == 49 else 0  # a clock that stood back once
        partition, offset = await log.put(topic, number + jitter, f"k{number % 11}")
        placed.setdefault((log.topics[topic], partition), []).append(offset)
    async with log.reading() as reading:
        records = [record async for batch in reading.in_order() for record in batch]
    assert len(records) == 300
    seen: dict[tuple[str, int], list[int]] = {}
    for record in records:
        seen.setdefault((record.topic, record.partition), []).append(record.offset)
    assert seen == placed
    latest = 0.0
    for time in times(records):
        assert time >= latest - 4, "only what lay out of order in its own partition comes late"
        latest = max(latest, time)


async def test_it_ends_where_the_log_ended_and_goes_on_when_extended(log: Log) -> None:
    await log.put(0, 1, "k")
    async with log.reading() as reading:
        await log.put(0, 2, "k")
        first = [record async for batch in reading.batches() for record in batch]
        assert times(first) == [1]
        assert await reading.extend() == 1
        await log.put(0, 3, "k")
        assert times([record async for batch in reading.batches() for record in batch]) == [2]
        assert await reading.extend() == 1
        assert times([record async for batch in reading.batches() for record in batch]) == [3]
        assert await reading.extend() == 0


async def test_a_reading_goes_on_where_an_earlier_one_was(log: Log) -> None:
    partition, _ = await log.put(0, 1, "k")
    _, second = await log.put(0, 2, "k")
    position = {TopicPartition(log.topics[0], partition): second}
    reading = await Reading.open(log.bootstrap, Selection(log.topics), positions=position)
    try:
        assert times([record async for batch in reading.batches() for record in batch]) == [2]
    finally:
        await reading.close()


async def test_a_rate_is_kept_and_a_slow_reader_is_not_run_over(log: Log) -> None:
    for second in range(40):
        await log.put(0, second, "k")
    loop = asyncio.get_running_loop()
    async with log.reading() as reading:
        began = loop.time()
        slices = [len(batch) async for batch in paced(reading.batches(), 40)]
        assert loop.time() - began >= 0.8
        assert sum(slices) == 40
        assert max(slices) <= 4


def hesitating(reading: Reading, monkeypatch: pytest.MonkeyPatch, *empty: int) -> None:
    """Let some polls bring nothing, by their number from 1 on; all of them where none is named."""
    getmany, polls = reading._consumer.getmany, count(1)

    async def poll(*partitions: TopicPartition, **how: int) -> dict[TopicPartition, list[Record]]:
        if not empty or next(polls) in empty:
            await asyncio.sleep(0.1)
            return {}
        found: dict[TopicPartition, list[Record]] = await getmany(*partitions, **how)
        return found

    monkeypatch.setattr(reading._consumer, "getmany", poll)


async def test_how_long_a_batch_took_is_no_silence_of_the_logs(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second in range(2):
        await log.put(0, second, "k")
    monkeypatch.setattr("libs.common.bus.replay.STALLED_S", 1.0)
    async with log.reading() as reading:
        batches = reading.batches(1)
        while not (first := await anext(batches)):
            continue
        hesitating(reading, monkeypatch, 1)
        await asyncio.sleep(1.5)
        assert times(first + [one async for batch in batches for one in batch]) == [0, 1]


async def test_a_log_that_falls_silent_is_said(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    await log.put(0, 1, "k")
    monkeypatch.setattr("libs.common.bus.replay.STALLED_S", 1.0)
    async with log.reading() as reading:
        hesitating(reading, monkeypatch)
        with pytest.raises(LogUnavailable):
            _ = [batch async for batch in reading.batches()]


async def test_no_broker_is_said(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.common.bus.replay.STALLED_S", 2.0)
    with pytest.raises(LogUnavailable):
        await Reading.open("127.0.0.1:9", Selection(log.topics))
