"""The relay: publishes what the outbox holds, in the order it was committed, one relay at a time per service."""

import asyncio
import time
from collections import Counter, deque
from contextlib import suppress

from aiokafka.errors import MessageSizeTooLargeError

from libs.common.bus import metrics
from libs.common.bus.envelope import headers_of
from libs.common.bus.lease import Lease
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.producer import Message, Producer
from libs.common.bus.settings import BusSettings
from libs.common.bus.tracing import published
from libs.common.bus.trouble import Backoff
from libs.common.clock import now
from libs.common.logging import logger
from libs.common.mongo import Mongo, PyMongoError, Row

REMEMBERED = 50_000
MOST_QUEUED = 20_000
"""Events in memory that wait for their turn; what comes behind them is read from the outbox again."""
COUNTED_AT_MOST = 100_000
FORGET_AFTER_S = 0.05
AS_WRITTEN = (("written", 1),)
OLDEST_FIRST = (("_id", 1),)
RELAY_LEASE = "relay"

log = logger("bus.relay")


class StreamEnded(RuntimeError):
    """The database closed the change stream; it is to be opened anew."""


class Relay:
    """Moves a service's events from its outbox to Kafka, at least once and in order per key.

    The change stream wakes it, so nothing is polled while all is well. The stream is opened first and what is
    there already is read after it, so nothing falls in between; and because rows go only once they are
    published, a broken stream needs no resume token (which may be too old: ChangeStreamHistoryLost, 286): it is
    opened anew and the collection is read again.
    """

    def __init__(self, mongo: Mongo, producer: Producer, settings: BusSettings) -> None:
        self._rows = mongo.collection(OutboxRow)
        self._producer, self._settings = producer, settings
        self._lease = Lease(mongo, RELAY_LEASE, settings.lease_ttl_s)
        self._failing_since: float | None = None
        self._start_over()

    def _start_over(self) -> None:
        self._queue: deque[OutboxRow] = deque()
        self._overflowed = False
        self._arrived = asyncio.Event()
        self._published: dict[str, None] = {}  # an ordered set: what the stream or a sweep may show again
        self._to_forget: list[str] = []
        self._sweep_at = 0.0
        self._forgetting: asyncio.Task[None] | None = None

    @property
    def leading(self) -> bool:
        """Tell whether this process is the one that publishes."""
        return self._lease.valid

    def healthy(self) -> bool:
        """Tell whether publishing, where it is ours to do, has not been failing for long."""
        if self._failing_since is None:
            return True
        return time.monotonic() - self._failing_since < self._settings.stuck_after_s

    async def run(self) -> None:
        """Relay until cancelled, whenever the lease is ours."""
        backoff = Backoff(self._settings.first_wait_s, self._settings.longest_wait_s)
        while True:
            try:
                async with self._lease.held(at_anothers=self._is_well):
                    log.info("relay.leading")
                    metrics.RELAY_LEADING.set(1)
                    await self._lead(backoff)
            except Exception as error:
                self._failing_since = self._failing_since or time.monotonic()
                metrics.RELAY_FAILURES.labels(type(error).__name__).inc()
                log.warning("relay.interrupted", exc_info=error)
                await asyncio.sleep(backoff.next())
            finally:
                metrics.RELAY_LEADING.set(0)

    def _is_well(self) -> None:
        """Take note that nothing is amiss here: we publish, or another does and it is not ours to do."""
        self._failing_since = None

    async def _lead(self, backoff: Backoff) -> None:
        """Publish for as long as the lease, the stream, the database and the broker let us."""
        self._start_over()
        opened = asyncio.Event()
        stream = asyncio.create_task(self._follow(opened), name="relay-stream")
        try:
            await _first(asyncio.create_task(opened.wait()), stream)
            await self._sweep()
            while True:
                self._is_well()
                backoff.count = 0
                await self._wait(stream)
                _raise_if_failed(stream)
                _raise_if_failed(self._forgetting)
                await self._publish_next()
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
            await self._forget_now()

    async def _follow(self, opened: asyncio.Event) -> None:
        """Queue what is inserted, as it is committed."""
        try:
            async for rows in self._rows.inserts():
                self._enqueue(rows)
                opened.set()
                self._arrived.set()
            raise StreamEnded
        finally:
            self._arrived.set()

    def _enqueue(self, rows: list[Row]) -> None:
        """Queue rows; where there is no room, they and all behind them are left to the next sweep, so in order."""
        self._overflowed = self._overflowed or len(self._queue) + len(rows) > MOST_QUEUED
        if not self._overflowed:
            self._queue.extend(OutboxRow.from_mongo(row) for row in rows)

    async def _wait(self, stream: "asyncio.Task[None]") -> None:
        # A stream that ended while we published wakes nobody again.
        if self._queue or self._overflowed or stream.done():
            return
        self._arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.sweep_every_s):
                await self._arrived.wait()

    async def _publish_next(self) -> None:
        """Publish what the stream brought; now and then, look for what it missed."""
        most = min(len(self._queue), self._settings.publish_batch)
        await self._publish([self._queue.popleft() for _ in range(most)])
        if self._overflowed or time.monotonic() >= self._sweep_at:
            await self._sweep()

    async def _sweep(self) -> None:
        """Publish what the collection holds now, in the order it was written, a batch in memory at a time.

        The database sorts it once, on its disk where it is much: an index would cost every event two more writes.
        What is queued lies there too.
        """
        await self._forget_now()
        self._queue.clear()
        self._overflowed = False
        batch: list[OutboxRow] = []
        async for row in self._rows.stream({}, sort=AS_WRITTEN, batch=self._settings.publish_batch):
            batch.append(OutboxRow.from_mongo(row))
            if len(batch) == self._settings.publish_batch:
                await self._publish(batch)
                batch = []
        await self._publish(batch)
        self._sweep_at = time.monotonic() + self._settings.sweep_every_s

    async def _publish(self, rows: list[OutboxRow]) -> None:
        fresh = [row for row in rows if row.id not in self._published]
        if not fresh:
            return
        self._lease.require()
        failures = await self._producer.publish([_message(row) for row in fresh])
        done = [row for row, failure in zip(fresh, failures, strict=True) if failure is None]
        self._remember(done)
        published(done)
        for row, failure in zip(fresh, failures, strict=True):
            if isinstance(
                failure, MessageSizeTooLargeError
            ):  # never published, never dropped: it stays and shows
                log.error("relay.too_large", event_id=row.id, topic=row.topic)
            elif failure is not None:
                raise failure

    def _remember(self, done: list[OutboxRow]) -> None:
        """Take note of what is published; its rows go shortly, many at once, off the path of the next event."""
        for row in done:
            self._published[row.id] = None
        for topic, count in Counter(row.topic for row in done).items():
            metrics.PUBLISHED.labels(topic).inc(count)
        while len(self._published) > REMEMBERED:
            del self._published[next(iter(self._published))]
        self._to_forget += [row.id for row in done]
        if self._forgetting is None or self._forgetting.done():
            self._forgetting = asyncio.create_task(self._forget(), name="relay-forget")

    async def _forget(self) -> None:
        while self._to_forget:
            await asyncio.sleep(FORGET_AFTER_S)
            done = list(self._to_forget)
            await self._rows.delete_many({"_id": {"$in": done}})
            del self._to_forget[: len(done)]

    async def _forget_now(self) -> None:
        """Leave nothing behind that a sweep, or the next relay, would publish again, if that can be had."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.gather(self._forgetting, return_exceptions=True)
            self._forgetting = None
        if self._to_forget:  # a sweep of an idle service asks for nothing
            with suppress(PyMongoError):
                await self._rows.delete_many({"_id": {"$in": self._to_forget}})
                self._to_forget.clear()

    async def measure_for_ever(self) -> None:
        """Measure what waits, for as long as the process lives: also while another relays, or while Kafka is away."""
        while True:
            await self._measure()
            await asyncio.sleep(self._settings.sweep_every_s)

    async def _measure(self) -> None:
        metrics.OUTBOX_PENDING.set(await self._rows.count({}, limit=COUNTED_AT_MOST))
        oldest = await self._rows.find_one({}, sort=OLDEST_FIRST, projection={"time": 1})
        age = (now() - oldest["time"]).total_seconds() if oldest else 0.0
        metrics.OUTBOX_OLDEST_AGE.set(max(0.0, age))


def _message(row: OutboxRow) -> Message:
    return Message(row.topic, row.key.encode(), row.body, headers_of(row))


async def _first(waiting: "asyncio.Task[bool]", stream: "asyncio.Task[None]") -> None:
    """Wait until the stream is open; raise what kept it from opening."""
    await asyncio.wait({waiting, stream}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    _raise_if_failed(stream)


def _raise_if_failed(task: "asyncio.Task[None] | None") -> None:
    if task is not None and task.done():
        task.result()
