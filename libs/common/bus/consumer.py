"""A consumer: reads one group's topics through FastStream and sees to it that nothing is lost or done twice.

The subscriber is FastStream's, without a handler: its own batch loop sleeps after an empty poll, reads nothing
while a handler works, and swallows what a handler raises. So it gives connection, subscription and rebalance
logging, and the records are taken from the aiokafka consumer that it exposes.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from faststream.kafka import KafkaBroker
from faststream.middlewares import AckPolicy

from libs.common.bus import metrics
from libs.common.bus.client_watch import ClientStalled, ClientWatch
from libs.common.bus.connection import stop_client
from libs.common.bus.coordinators import heed_errors
from libs.common.bus.dead_letters import TooManyDeadLetters
from libs.common.bus.envelope import Record
from libs.common.bus.group import Group
from libs.common.bus.lag import LagWatch
from libs.common.bus.ownership import Ownership
from libs.common.bus.settings import BusSettings
from libs.common.bus.trouble import Backoff, is_passing
from libs.common.logging import logger
from libs.common.stopping import end_process, is_cancelled

POLL_MS = 1_000
NEVER_MS = 24 * 3_600_000
"""aiokafka heartbeats by itself and tells the broker nothing of polls; a handler may take its time."""

Fetched = tuple[list[Record], Ownership | None]
"""Records, and the assignment under which they were read."""

log = logger("bus.consumer")


class Worker(Protocol):
    """What is done with the records: `BatchWorker` or `StreamWorker`."""

    async def room(self) -> int:
        """Return how many records can be taken, once any can."""
        ...

    def assigned(self) -> None:
        """Take note of partitions that were another's."""
        ...

    async def take(self, records: Sequence[Record], ownership: Ownership) -> None:
        """Work on records, and commit their offsets when they are settled."""
        ...

    async def drain(self, within_s: float) -> None:
        """Wait for what is under way; then forget the rest."""
        ...

    async def close(self) -> None:
        """Leave nothing running."""
        ...


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of a consumer group."""

    def __init__(self, group: Group, broker: KafkaBroker, worker: Worker, settings: BusSettings) -> None:
        self.group = group
        self._worker, self._settings = worker, settings
        heed_errors()
        self._subscriber = broker.subscriber(
            *group.topics,
            group_id=group.name,
            batch=True,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            no_reply=True,
            listener=self,
            session_timeout_ms=settings.session_timeout_ms,
            rebalance_timeout_ms=settings.rebalance_timeout_ms,
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            max_poll_interval_ms=NEVER_MS,
        )
        self._ownership: Ownership | None = None
        self._lag = LagWatch(group.name, settings.stuck_after_s)
        self._fetching: asyncio.Future[Fetched] | None = None
        self._stopping = False
        self._halted = False
        self._ended = False

    @property
    def halted(self) -> bool:
        """Tell whether it stopped at its dead-letter limit, and waits for somebody."""
        return self._halted

    @property
    def stuck(self) -> bool:
        """Tell whether there has been work for long and no progress, though it means to get on; or it ended."""
        return not self._halted and (self._ended or self._lag.stuck)

    def healthy(self) -> bool:
        """Tell whether it has nothing to do, or gets on with it."""
        return not self.halted and not self.stuck

    async def run(self) -> None:
        """Consume until stopped; begin again after whatever went wrong, except at the dead-letter limit."""
        backoff = Backoff(self._settings.first_wait_s, self._settings.longest_wait_s)
        metrics.LAST_PROGRESS.labels(self.group.name).set(time.time())  # without one, no alert tells of none
        try:
            while not (self._stopping or self._halted):
                await self._consume_once(backoff)
        finally:
            self._ended = not self._stopping

    async def _consume_once(self, backoff: Backoff) -> None:
        """Consume until stopped, or something goes wrong; then wait a little."""
        try:
            await self._consume(backoff)
        except TooManyDeadLetters as error:
            self._halt(error)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            metrics.RESTARTS.labels(self.group.name, type(error).__name__).inc()
            log.warning("consumer.restarted", group=self.group.name, exc_info=error)
            if not _is_foreseen(error):
                self._lag.failed()
            await asyncio.sleep(backoff.next())

    async def stop(self) -> None:
        """Take nothing more; `run` ends when what is under way is settled or has had its time."""
        self._stopping = True
        if self._ownership is not None:
            self._ownership.end_soon()
        if self._fetching is not None:
            self._fetching.cancel()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's
        """Finish or abandon what is under way before another member gets these partitions."""
        await self._let_go()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin with what we were given; positions are where the group last committed."""
        patience_s = self._settings.client_patience_s
        self._ownership = Ownership(self._subscriber.consumer, self.group.name, patience_s)
        self._worker.assigned()
        log.info("partitions.assigned", group=self.group.name, partitions=len(assigned))

    async def _consume(self, backoff: Backoff) -> None:
        watching: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._settings.client_patience_s):
                await self._subscriber.start()
            consumer = self._subscriber.consumer
            watching = asyncio.create_task(self._watch(consumer))
            while not self._stopping:
                await self._take_some(consumer)
                if watching.done():
                    await watching
                backoff.count = 0
        finally:
            if watching is not None:
                watching.cancel()
            await self._let_go()
            self._ownership = None  # the next client's begins with what it is given
            await self._worker.close()
            await self._leave()

    async def _take_some(self, consumer: AIOKafkaConsumer) -> None:
        records, ownership = await self._fetch(consumer)
        # Records of an assignment that is ending come again: to another member, or to us once it is given anew.
        if records and ownership is not None and not ownership.ending:
            ownership.taken(records)
            await self._worker.take(records, ownership)

    async def _fetch(self, consumer: AIOKafkaConsumer) -> Fetched:
        """Return the next records, in order within each partition; none where none came for a while."""
        self._fetching = asyncio.ensure_future(self._next_records(consumer))
        try:
            return await self._fetching
        except asyncio.CancelledError as error:
            if self._stopping:
                return [], None
            if is_cancelled():
                raise
            raise ClientStalled(self.group.name) from error
        finally:
            self._fetching = None

    async def _next_records(self, consumer: AIOKafkaConsumer) -> Fetched:
        most = await self._worker.room()
        fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=most)
        # Asked for now and not before: a rebalance may lie in between, and records that were dropped after one
        # would be passed over by the next commit.
        ownership = self._ownership
        return [record for records in fetched.values() for record in records], ownership

    async def _let_go(self) -> None:
        if self._ownership is not None:
            self._ownership.end_soon()
            await self._worker.drain(self._settings.drain_s)
            self._ownership.end()

    async def _leave(self) -> None:
        """Leave the group. A client that cannot would stay a member that takes nothing, so the process ends then."""
        try:
            async with asyncio.timeout(self._settings.client_patience_s):
                client, stop = self._subscriber.consumer, self._subscriber.stop
                await (stop_client(client, stop) if client else stop())
        except TimeoutError:
            log.critical("consumer.cannot_leave", group=self.group.name)
            end_process()

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """Look at the client until it stalls; what is waited for from it ends then. Raises: ClientStalled."""
        watch = ClientWatch(self._lag, self._settings.client_patience_s)
        while True:
            await asyncio.sleep(self._settings.lag_every_s)
            if self._ownership is not None and await watch.look(consumer, self._ownership):
                break
        if self._fetching is not None:
            self._fetching.cancel()
        raise ClientStalled(self.group.name)

    def _halt(self, error: TooManyDeadLetters) -> None:
        self._halted = True
        metrics.HALTED.labels(self.group.name).set(1)
        log.critical(
            "consumer.halted",
            group=self.group.name,
            reason=str(error),
            do="find what is wrong, mend it, restart; then `pixera dlq redrive`",
        )


def _is_foreseen(error: BaseException) -> bool:
    """Tell whether it ends by itself, so that a new process would be no better off."""
    return isinstance(error, ClientStalled) or (isinstance(error, Exception) and is_passing(error))
