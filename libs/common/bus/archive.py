"""A consumer group's dead-letter topic: the bytes of what it gave up or put aside, as they were, and the way back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError

from libs.common.bus.connection import connection
from libs.common.bus.envelope import Record, first_of
from libs.common.bus.producer import Message, Producer
from libs.common.bus.settings import RETRY_BACKOFF_MS
from libs.common.bus.topics import dead_letter_topic
from libs.common.clock import now
from libs.common.errors import NotFound

PREFIX = "dlq_"
READ_MS = 200
READ_S = 10.0


@dataclass(frozen=True, slots=True)
class Stored:
    """Where in the dead-letter topic a record is. Args: whole: its bytes are there, and not at its origin only."""

    partition: int
    offset: int
    whole: bool = True


@dataclass(slots=True)
class Again:
    """A record as it was at its origin."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class RecordGone(NotFound):
    """The topic's retention ended: the bytes are nowhere any more."""

    code, title = "record-gone", "The record has outlived its topic's retention"


class Archive:
    """Where one consumer group stores records."""

    def __init__(self, producer: Producer, group: str) -> None:
        self._producer, self._topic = producer, dead_letter_topic(group).name

    async def store(self, records: Sequence[Record], code: str, error: str = "") -> list[Stored]:
        """Store records with why, acknowledged by the broker, all on their way at once.

        Raises:   KafkaError: not all are known to be stored; to be tried again.
        """
        messages = [
            Message(self._topic, each.key, each.value, _headers(each, code, error)) for each in records
        ]
        answers = await self._producer.send(messages)
        return [await self._placed(*each) for each in zip(messages, answers, strict=True)]

    async def _placed(self, message: Message, answer: object) -> Stored:
        """Return where a message came to lie; one that is too large, without its value: its origin has it."""
        whole = not isinstance(answer, MessageSizeTooLargeError)
        if not whole:
            (answer,) = await self._producer.send([Message(self._topic, message.key, None, message.headers)])
        if isinstance(answer, Exception):
            raise answer
        return Stored(answer.partition, answer.offset, whole)  # type: ignore[attr-defined]


class Reader:
    """Reads single records by their place. It connects at first use."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._live: AIOKafkaConsumer | None = None
        self._one_at_a_time = asyncio.Lock()

    async def read(self, topic: str, partition: int, offset: int) -> Record:
        """Return a record. Raises: RecordGone (404). KafkaError, TimeoutError: the broker does not answer."""
        place = TopicPartition(topic, partition)
        async with self._one_at_a_time, asyncio.timeout(READ_S):
            consumer = await self._started()
            consumer.assign([place])
            consumer.seek(place, offset)
            try:
                while not (found := await consumer.getmany(place, timeout_ms=READ_MS, max_records=1)):
                    await self._require_there(consumer, place, offset)
            except OffsetOutOfRangeError as error:
                raise RecordGone from error
        record: Record = found[place][0]
        if record.offset != offset:
            raise RecordGone
        return record

    async def close(self) -> None:
        """Disconnect."""
        if self._live is not None:
            await self._live.stop()

    async def _require_there(self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> None:
        ends = await consumer.end_offsets([place])
        if offset >= ends[place]:
            raise RecordGone

    async def _started(self) -> AIOKafkaConsumer:
        if self._live is None:
            consumer = AIOKafkaConsumer(
                **await connection(self._bootstrap),
                enable_auto_commit=False,
                auto_offset_reset="none",
                retry_backoff_ms=RETRY_BACKOFF_MS,
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._live = consumer
        return self._live


def original(stored: Record, topic: str, partition: int, offset: int) -> Record:
    """Return a stored record as it was at its origin."""
    headers = [(name, value) for name, value in stored.headers if not name.startswith(PREFIX)]
    timestamp = int(first_of(stored.headers, f"{PREFIX}timestamp") or stored.timestamp)
    return Again(topic, partition, offset, timestamp, stored.key, stored.value, headers)


def _headers(record: Record, code: str, error: str) -> list[tuple[str, bytes | None]]:
    """Return the original headers, byte for byte, and what became of the record."""
    kept = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    found = {
        "error_code": code,
        "error": error,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp),
        "at": now().isoformat(),
    }
    return [*kept, *((PREFIX + name, value.encode()) for name, value in found.items())]
