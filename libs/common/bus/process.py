"""The bus of one worker process: its service's relay, and a consumer for each of its groups."""

import asyncio
from collections.abc import Iterable

from faststream.kafka import KafkaBroker

from libs.common.audit import Audit
from libs.common.bus.archive import Archive, Reader
from libs.common.bus.batch_worker import BatchWorker
from libs.common.bus.connection import security
from libs.common.bus.consumer import Consumer
from libs.common.bus.consumes import Subscription
from libs.common.bus.dead_letters import DeadLetters
from libs.common.bus.group import Group, groups_of
from libs.common.bus.inbox import Inbox, InboxRow
from libs.common.bus.lease import LeaseRow
from libs.common.bus.letters.box import LetterBox
from libs.common.bus.letters.parking import Parking
from libs.common.bus.letters.redriver import Redriver
from libs.common.bus.letters.rows import DeadLetter, ParkedKey
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.parts import Parts
from libs.common.bus.producer import Producer
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.relay import Relay
from libs.common.bus.settings import RETRY_BACKOFF_MS, BusSettings
from libs.common.bus.settling import Settler
from libs.common.bus.stream_worker import StreamWorker
from libs.common.bus.topics import dead_letter_topic, ensure_topics, event_topic
from libs.common.bus.trouble import Backoff
from libs.common.document import Document
from libs.common.errors import Unavailable
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings
from libs.common.stopping import is_cancelled
from libs.common.work import UnitOfWork

BUS_DOCUMENTS: tuple[type[Document], ...] = (OutboxRow, InboxRow, LeaseRow, DeadLetter, ParkedKey)

LEAVING_S = 0.75
"""How long leaving the groups and giving the lease back may take; both end by themselves if it takes longer."""

log = logger("bus")


class Bus:
    """Publishes what the service leaves in its outbox, and hands it the events it subscribed to.

    Args:     name: the service; audit: where redrives are recorded, without it nothing is redriven here;
              tuned: the bus's own settings, by default from the environment.
    """

    def __init__(
        self,
        settings: CommonSettings,
        name: str,
        mongo: Mongo,
        work: UnitOfWork,
        subscriptions: Iterable[Subscription],
        *,
        audit: Audit | None = None,
        tuned: BusSettings | None = None,
    ) -> None:
        self._bootstrap, self._name = settings.kafka_bootstrap, name
        self._settings = tuned or BusSettings()
        self._mongo, self._work = mongo, work
        self._producer = Producer(self._bootstrap, self._settings.linger_ms)
        self._relay = Relay(mongo, self._producer, self._settings)
        self._broker = KafkaBroker(
            self._bootstrap.split(","),
            client_id=f"pixera-{name}",
            consumer_only=True,
            logger=None,
            retry_backoff_ms=RETRY_BACKOFF_MS,
            security=security(),
        )
        parts = [self._parts(group) for group in groups_of(subscriptions)]
        self.redeliveries = {each.group.name: Redelivery(each) for each in parts}
        chosen = self._settings.chosen(self.redeliveries)
        self._consumers = [self._consumer(each) for each in parts if each.group.name in chosen]
        self._reader = Reader(self._bootstrap)
        self._redriver = self._made_redriver(audit) if audit else None
        self._tasks: list[asyncio.Task[None]] = []
        self._consuming = False

    async def start(self) -> None:
        """Begin to relay and to consume; it does not wait for the broker, which may come up later."""
        await self._broker.connect()
        self._tasks = [
            asyncio.create_task(self._relay.run(), name=f"{self._name}-relay"),
            asyncio.create_task(self._consume(), name=f"{self._name}-consumers"),
        ]
        if self._redriver is not None:
            self._tasks.append(asyncio.create_task(self._redriver.run(), name=f"{self._name}-redriver"))

    @property
    def stops_within_s(self) -> float:
        """Return how long a stop may take, where the servers answer."""
        return self._settings.drain_s + 2 * LEAVING_S

    async def stop(self) -> None:
        """Take nothing more, finish what is under way, leave the groups, give the relay's lease back.

        What hangs on a server that is gone is cancelled; closing what is left can hang, for the caller to bound.
        """
        await asyncio.gather(*(consumer.stop() for consumer in self._consumers))
        if self._consuming:
            await asyncio.wait([self._tasks[1]], timeout=self._settings.drain_s + LEAVING_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait({asyncio.gather(*self._tasks, return_exceptions=True)}, timeout=LEAVING_S)
        await self._reader.close()
        await self._producer.close()
        await self._broker.stop()

    async def healthy(self) -> dict[str, bool]:
        """Return, for the relay and each consumer group, whether it makes progress where there is work."""
        begun = self._consumes()
        return {"relay": self._relays()} | {
            each.group.name: begun and each.healthy() for each in self._consumers
        }

    async def live(self) -> dict[str, bool]:
        """Return the same as a new start could mend it.

        A group that stopped at its dead-letter limit counts as well: begun anew, it would give up as many again.
        """
        begun = self._consumes()
        return {"relay": self._relays()} | {
            each.group.name: begun and not each.stuck for each in self._consumers
        }

    async def none_halted(self) -> None:
        """Raises: Unavailable: a group stopped at its dead-letter limit."""
        if halted := [consumer.group.name for consumer in self._consumers if consumer.halted]:
            raise Unavailable(f"stopped at the dead-letter limit: {', '.join(halted)}")

    async def measure(self) -> None:
        """Measure the outbox for as long as the process lives, whoever publishes it, and if nobody does."""
        await self._relay.measure_for_ever()

    def _relays(self) -> bool:
        return self._relay.healthy() and not self._tasks[0].done()

    def _consumes(self) -> bool:
        """Tell whether the consumers run, or will; each that was halted or stopped has ended well."""
        task = self._tasks[1]
        return not task.done() or (not task.cancelled() and task.exception() is None)

    def _consumer(self, parts: Parts) -> Consumer:
        worker = StreamWorker(parts) if parts.group.io else BatchWorker(parts)
        return Consumer(parts.group, self._broker, worker, self._settings)

    def _made_redriver(self, audit: Audit) -> Redriver:
        box = LetterBox(self._mongo, audit)
        return Redriver(box, self._mongo, self.redeliveries, self._reader, self._settings)

    def _parts(self, group: Group) -> Parts:
        parking = Parking(group, self._work, Archive(self._producer, group.name))
        dead_letters = DeadLetters(parking, group.name, self._settings.dead_letters_a_minute)
        return Parts(
            group=group,
            settings=self._settings,
            mongo=self._mongo,
            work=self._work,
            tombstones=self._work.tombstones,
            inbox=Inbox(self._mongo, group.name),
            settler=Settler(group.name, dead_letters, self._settings),
            parking=parking,
        )

    async def _consume(self) -> None:
        await self.ensure_topics()
        self._consuming = True
        await asyncio.gather(*(consumer.run() for consumer in self._consumers))

    async def ensure_topics(self) -> None:
        """Make the topics that these groups need; a broker that is not there yet is waited for."""
        groups = [consumer.group for consumer in self._consumers]
        topics = [dead_letter_topic(group.name) for group in groups]
        topics += [event_topic(name) for group in groups for name in group.topics]
        backoff = Backoff(self._settings.first_wait_s, self._settings.longest_wait_s)
        while topics:
            try:
                await ensure_topics(self._bootstrap, topics)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                log.warning("bus.no_topics_yet", service=self._name, exc_info=error)
                await asyncio.sleep(backoff.next())
            else:
                return
