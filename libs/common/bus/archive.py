"""A consumer group's dead-letter topic: the bytes of what it gave up or put aside, as they were, and the way back."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OffsetOutOfRangeError
from aiokafka.structs import RecordMetadata

from libs.common.bus.connection import connection, stop_client
from libs.common.bus.envelope import Record, first_of
from libs.common.bus.producer import Message, Producer
from libs.common.bus.settings import RETRY_BACKOFF_MS
from libs.common.bus.topics import dead_letter_topic
from libs.common.clock import now
from libs.common.errors import NotFound

PREFIX = "dlq_"
NO_VALUE = f"{PREFIX}no_value"
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
        messages = [self._message(each, code, error) for each in records]
        answers = await self._producer.send(messages)
        return [await self._placed(*each) for each in zip(messages, answers, strict=True)]

    def _message(self, record: Record, code: str, error: str) -> Message:
        """Return a record as it is stored. One without key and value no client sends, so its value is marked."""
        headers = _headers(record, code, error)
        if record.key is None and record.value is None:
            return Message(self._topic, None, b"", [*headers, (NO_VALUE, b"1")])
        return Message(self._topic, record.key, record.value, headers)

    async def _placed(self, message: Message, answer: RecordMetadata | Exception) -> Stored:
        """Return where a message came to lie; one that is too large, with less of it: its origin has the rest."""
        ours = [(name, value) for name, value in message.headers if name.startswith(PREFIX)]
        less = [
            Message(self._topic, message.key, b"", message.headers),
            Message(self._topic, None, b"", ours),
        ]
        whole = True
        while isinstance(answer, MessageSizeTooLargeError) and less:
            (answer,), whole = await self._producer.send([less.pop(0)]), False
        if isinstance(answer, Exception):
            raise answer
        return Stored(answer.partition, answer.offset, whole)


class Reader:
    """Reads single records by their place. It connects at first use."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._live: AIOKafkaConsumer | None = None
        self._one_at_a_time = asyncio.Lock()

    async def read(self, topic: str, partition: int, offset: int) -> Record:
        """Return a record. Raises: RecordGone (404). KafkaError, TimeoutError: the broker does not answer."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(READ_S):
                    record = await self._read(TopicPartition(topic, partition), offset)
            except (KafkaError, TimeoutError):
                await self._drop()
                raise
        if record.offset != offset:
            raise RecordGone
        return record

    async def close(self) -> None:
        """Disconnect."""
        client, self._live = self._live, None
        if client is not None:
            await stop_client(client)

    async def _read(self, place: TopicPartition, offset: int) -> Record:
        """Return the first record from an offset on. Raises: RecordGone (404)."""
        consumer = await self._started()
        consumer.assign([place])
        consumer.seek(place, offset)
        try:
            while not (found := await consumer.getmany(place, timeout_ms=READ_MS, max_records=1)):
                await self._require_there(consumer, place, offset)
        except OffsetOutOfRangeError as error:
            raise RecordGone from error
        record: Record = found[place][0]
        return record

    async def _drop(self) -> None:
        """Leave a client that did not answer: its tasks may have ended without a word (ADR 0048)."""
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(READ_S):
                await self.close()

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
    value = None if any(name == NO_VALUE for name, _ in stored.headers) else stored.value
    return Again(topic, partition, offset, timestamp, stored.key, value, headers)


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
