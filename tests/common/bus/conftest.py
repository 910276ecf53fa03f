"""A bus of one's own for each test: its topic, its group, its database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.bus.consumes import Subscription
from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS, Bus
from libs.common.bus.settings import BusSettings
from libs.common.bus.topics import Topic, dead_letter_topic, ensure_topics
from libs.common.clock import new_id
from libs.common.events.base import Event
from libs.common.mongo import Mongo
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.settings import CommonSettings
from libs.common.testing.waiting import eventually
from libs.common.work import UnitOfWork
from tests.common.bus.events import Noted, noted

QUICK = BusSettings(first_wait_s=0.02, longest_wait_s=0.1, session_timeout_ms=6_000, lag_every_s=0.2)


@dataclass
class Bench:
    """One service on the bus: what it publishes, what it consumes, and what came of it (`effects`)."""

    settings: CommonSettings
    mongo: Mongo
    name: str
    topic: str
    group: str
    event: type[Noted]
    tombstones: Tombstones
    work: UnitOfWork
    buses: list[Bus] = field(default_factory=list)

    @property
    def bootstrap(self) -> str:
        """Where Kafka is."""
        return self.settings.kafka_bootstrap

    def bus(self, *subscriptions: Subscription, tuned: BusSettings = QUICK) -> Bus:
        """Return one more process's bus."""
        bus = Bus(self.settings, self.name, self.mongo, self.work, subscriptions, tuned=tuned)
        self.buses.append(bus)
        return bus

    def subscription(
        self, handler: Callable[..., Awaitable[None]], *, io: bool = False, **options: Any
    ) -> Subscription:
        """Return a subscription to the test's event."""
        return Subscription((self.event,), self.group, handler, io, **options)

    async def publish(self, *events: Event) -> None:
        """Leave events in the outbox."""
        await self.work.run(lambda: self.work.outbox.add(*events))

    async def publish_numbers(self, count: int, user_id: UUID | None = None) -> None:
        """Leave numbered events in the outbox, each about somebody else unless somebody is named."""
        await self.publish(
            *(self.event(user_id=user_id or uuid4(), number=number) for number in range(count))
        )

    async def note(self, event: Noted) -> None:
        """The usual effect: one row for each call."""
        await self.mongo.collection("effects").insert_one({"_id": new_id(), **event.model_dump()})

    async def effects(self) -> list[int]:
        """Return the numbers whose effect is there, as often as it is."""
        rows = await self.mongo.collection("effects").find({}, sort=[("_id", 1)], limit=100_000)
        return [row["number"] for row in rows]

    async def effects_reach(self, count: int, within_s: float = 20.0) -> list[int]:
        """Wait until there are so many effects; return them."""

        async def look() -> list[int]:
            found = await self.effects()
            return found if len(found) >= count else []

        return await eventually(look, within_s)


@pytest.fixture
async def bench(common_settings: CommonSettings) -> AsyncIterator[Bench]:
    """A service on the bus, stopped at the end."""
    name = f"s{uuid4().hex[:8]}"
    mongo = Mongo.connect(common_settings, name)
    topic, group = f"test.{name}", f"{name}.note"
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone])
    await ensure_topics(common_settings.kafka_bootstrap, [Topic(topic), dead_letter_topic(group)])
    tombstones = Tombstones(mongo)
    work = UnitOfWork(mongo, Outbox(mongo, name), tombstones)
    bench = Bench(common_settings, mongo, name, topic, group, noted(topic), tombstones, work)
    yield bench
    for bus in bench.buses:
        await bus.stop()
    await mongo.close()
