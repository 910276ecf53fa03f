"""Reading the log again: what is selected of it, from where each partition begins to where it ended when asked.

Nothing is committed and no group is joined, so nobody else notices. What is not wanted is left by its headers and
bytes, before anything of it is decoded; in memory is what the client has fetched, and one batch of it.
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from libs.common.bus.connection import connection, stop_client
from libs.common.bus.envelope import Record
from libs.common.bus.selection import BATCH, Selection, Sieve, milliseconds
from libs.common.errors import Unavailable

T = TypeVar("T")

POLL_MS = 200
MOST_FETCHED = 16 * 2**20
"""Bytes that are fetched and not read yet, over all partitions together."""
FETCHED_OF_ONE = 2**20
STALLED_S = 30.0
REQUEST_TIMEOUT_MS = 10_000
CLOCKS_APART = timedelta(minutes=1)
"""How far the clocks of brokers may differ, who stamp the records: so much beyond `until` is looked at as well."""


class LogUnavailable(Unavailable):
    """Kafka does not answer, or stopped answering in the middle."""

    code, title = "log-unavailable", "The event log does not answer, try again"


@dataclass(slots=True)
class Span:
    """What is to be read of one partition.

    Args:     oldest: the first offset that is still there; position: the offset to be read next; stop: where it
              ends; ahead: wanted records that are not due yet; reached_ms: the latest time seen.
    """

    oldest: int
    position: int
    stop: int
    ahead: deque[Record] = field(default_factory=deque)
    reached_ms: int = 0

    @property
    def left(self) -> int:
        """Return how many records are still to be read."""
        return max(0, self.stop - self.position)


class Reading:
    """One pass over the log. It is opened with `Reading.open`, and is to be closed."""

    def __init__(self, consumer: AIOKafkaConsumer, spans: dict[TopicPartition, Span], sieve: Sieve) -> None:
        self._consumer, self._sieve, self.spans = consumer, sieve, spans
        self.total = sum(span.left for span in spans.values())
        self.read = 0
        self._silent_s = 0.0

    @classmethod
    async def open(
        cls,
        bootstrap: str,
        selection: Selection,
        *,
        positions: Mapping[TopicPartition, int] | None = None,
        within: Mapping[TopicPartition, int] | None = None,
    ) -> Self:
        """Look up where to begin and to end, and begin to fetch.

        Args:     positions: where an earlier reading had come to, in the partitions that it read; within: where each
                  partition ends at the latest, and nothing is read of any other.
        Raises:   LogUnavailable (503).
        """
        try:
            async with asyncio.timeout(STALLED_S):
                partitions = await _partitions(bootstrap, selection.topics)
                consumer = await _consumer(bootstrap, len(partitions))
                try:
                    await consumer.start()
                    await asyncio.sleep(
                        0
                    )  # stopped before its tasks ever ran, aiokafka passes on their cancelling
                    spans = await _spans(consumer, partitions, selection, positions or {})
                    if within is not None:
                        _keep_within(spans, within)
                    _begin(consumer, spans)
                except BaseException:
                    await stop_client(consumer)
                    raise
        except (TimeoutError, OSError, KafkaError) as error:
            raise LogUnavailable from error
        return cls(consumer, spans, Sieve(selection))

    async def close(self) -> None:
        """Stop fetching."""
        await stop_client(self._consumer)

    @property
    def left(self) -> int:
        """Return how many records are still to be read, wanted or not."""
        return sum(span.left for span in self.spans.values())

    async def batches(self, at_most: int = BATCH) -> AsyncIterator[list[Record]]:
        """Yield what is wanted, in order within each partition; an empty list where others were read.

        `spans` are where the batch ends when it is yielded: who notes them must have taken in all of it.

        Args:     at_most: records together.
        Raises:   LogUnavailable: Kafka stopped answering.
        """
        while self.left:
            fetched = await self._fetch(at_most=at_most)
            yield [record for records in fetched.values() for record in records]

    async def in_order(self) -> AsyncIterator[list[Record]]:
        """Yield what is wanted in the order of the log's own time, and of each partition.

        The partition that is furthest behind is read next, so none is read ahead by more than a batch.

        Raises:   LogUnavailable: Kafka stopped answering.
        """
        due: list[tuple[int, TopicPartition]] = []
        while True:
            waited_for = self._furthest_behind()
            yield self._due(due, None if waited_for is None else self.spans[waited_for].reached_ms)
            if waited_for is not None:
                await self._read_ahead(waited_for, due)
            elif not due:
                return

    async def extend(self) -> int:
        """Move every end to where the log ends now; return how many records there are to read.

        Raises:   LogUnavailable: Kafka does not answer.
        """
        ends = await _answered(self._consumer.end_offsets(list(self.spans)))
        for partition, span in self.spans.items():
            span.stop = max(span.stop, ends[partition])
        for partition, span in self.spans.items():
            if span.left:  # what lay beyond the former end was fetched, and thrown away
                self._consumer.seek(partition, span.position)
                self._consumer.resume(partition)
        self._silent_s = 0.0
        return self.left

    def _furthest_behind(self) -> TopicPartition | None:
        """Return the partition that has nothing ready and may still have the next record, None where none may."""
        waiting = [part for part, span in self.spans.items() if span.left and not span.ahead]
        return min(waiting, key=lambda part: (self.spans[part].reached_ms, part), default=None)

    async def _read_ahead(self, partition: TopicPartition, due: list[tuple[int, TopicPartition]]) -> None:
        span = self.spans[partition]
        for records in (await self._fetch(partition)).values():
            span.ahead.extend(records)
        if span.ahead:
            heapq.heappush(due, (span.ahead[0].timestamp, partition))

    def _due(self, due: list[tuple[int, TopicPartition]], before_ms: int | None) -> list[Record]:
        """Return, oldest first, what nothing older can come before."""
        records = []
        while due and (before_ms is None or due[0][0] <= before_ms):
            _, partition = heapq.heappop(due)
            span = self.spans[partition]
            records.append(span.ahead.popleft())
            if span.ahead:
                heapq.heappush(due, (span.ahead[0].timestamp, partition))
            elif span.left:
                before_ms = span.reached_ms if before_ms is None else min(before_ms, span.reached_ms)
        return records

    async def _fetch(
        self, *partitions: TopicPartition, at_most: int = BATCH
    ) -> dict[TopicPartition, list[Record]]:
        """Return the next wanted records of some partitions, or of all; none where none came for a moment.

        What is waited is counted here: how long somebody takes over what they got says nothing of Kafka.
        """
        begun = time.monotonic()
        try:
            fetched = await self._consumer.getmany(*partitions, timeout_ms=POLL_MS, max_records=at_most)
            if not fetched:
                self._silent_s += time.monotonic() - begun
                await self._pass_gaps(partitions or tuple(self.spans))
        except KafkaError as error:
            raise LogUnavailable from error
        return {partition: self._taken(partition, records) for partition, records in fetched.items()}

    def _taken(self, partition: TopicPartition, records: list[Record]) -> list[Record]:
        """Note what was read, up to the end, and return what is wanted of it."""
        self._silent_s = 0.0
        span = self.spans[partition]
        if records[-1].offset >= span.stop - 1:
            records = [record for record in records if span.position <= record.offset < span.stop]
            self._consumer.pause(partition)
        if not records:
            return []
        self.read += len(records)
        span.position = records[-1].offset + 1
        span.reached_ms = max(span.reached_ms, records[-1].timestamp)
        return self._sieve.wanted(records)

    async def _pass_gaps(self, partitions: Sequence[TopicPartition]) -> None:
        """Go on where records were deleted under our eyes: their retention ended. Raises: LogUnavailable."""
        if self._silent_s > STALLED_S:
            raise LogUnavailable("nothing came for a while")
        for partition in partitions:
            span = self.spans[partition]
            if span.left:
                reached = await _answered(self._consumer.position(partition))
                span.position = max(span.position, reached)


async def _consumer(bootstrap: str, partitions: int) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **await connection(bootstrap),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=min(FETCHED_OF_ONE, MOST_FETCHED // max(1, partitions)),
        fetch_max_bytes=MOST_FETCHED,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


async def _partitions(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Return the partitions of those topics that there are, asked of the broker."""
    admin = AIOKafkaAdminClient(**await connection(bootstrap), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        existing = sorted(set(topics) & set(await admin.list_topics()))
        described = await admin.describe_topics(existing) if existing else []
    finally:
        await admin.close()
    return [
        TopicPartition(topic["topic"], each["partition"])
        for topic in described
        for each in topic["partitions"]
    ]


async def _spans(
    consumer: AIOKafkaConsumer,
    partitions: list[TopicPartition],
    selection: Selection,
    positions: Mapping[TopicPartition, int],
) -> dict[TopicPartition, Span]:
    if not partitions:
        return {}
    consumer.assign(
        partitions
    )  # before it is asked about them: else it waits for metadata that nothing asks for
    oldest = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    first = await _offsets_at(consumer, partitions, selection.since)
    last = await _offsets_at(consumer, partitions, selection.until and selection.until + CLOCKS_APART)
    spans = {}
    for partition in partitions:
        begin = first.get(partition, ends[partition]) if selection.since else oldest[partition]
        position = max(oldest[partition], positions.get(partition, begin))
        spans[partition] = Span(oldest[partition], position, last.get(partition, ends[partition]))
    return spans


def _keep_within(spans: Mapping[TopicPartition, Span], within: Mapping[TopicPartition, int]) -> None:
    for partition, span in spans.items():
        span.stop = min(span.stop, within.get(partition, 0))


async def _offsets_at(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], moment: datetime | None
) -> dict[TopicPartition, int]:
    """Return the first offsets from a moment on; none for partitions whose records are all older."""
    at_ms = milliseconds(moment)
    if at_ms is None:
        return {}
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, at_ms))
    return {partition: at.offset for partition, at in found.items() if at is not None}


def _begin(consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, Span]) -> None:
    for partition, span in spans.items():
        consumer.seek(partition, span.position)
    if done := [partition for partition, span in spans.items() if not span.left]:
        consumer.pause(*done)


async def _answered(call: Awaitable[T]) -> T:
    """Return what the broker answers. Raises: LogUnavailable: it does not, in time."""
    try:
        return await asyncio.wait_for(call, STALLED_S)
    except (TimeoutError, OSError, KafkaError) as error:
        raise LogUnavailable from error
