"""One service on the bus, with a topic, a group and a database of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid4

from pydantic import Field

from libs.common.audit import Audit
from libs.common.bus.consumes import Once, Subscription
from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS, Bus
from libs.common.bus.settings import BusSettings
from libs.common.bus.topics import Topic, dead_letter_topic, ensure_topics
from libs.common.clock import new_id
from libs.common.document import Document
from libs.common.events.base import Event
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Operational, SubjectId
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.settings import CommonSettings
from libs.common.testing.kafka import remove_topics
from libs.common.testing.waiting import eventually
from libs.common.work import UnitOfWork
from tests.common.bus.events import Noted, noted

QUICK = BusSettings(first_wait_s=0.02, longest_wait_s=0.1, lag_every_s=0.2)

NO_SWEEP = QUICK.model_copy(update={"sweep_every_s": 3_600.0})
"""For what the relay must do without its safety net."""


class Stamped(Topic):
    """A topic whose records have the times that a test gives them, as those have that are older than the brokers'."""

    @property
    def config(self) -> dict[str, str]:
        """Return the broker's configuration of the topic."""
        return super().config | {"message.timestamp.type": "CreateTime"}


class Effect(Document):
    """What a handler did."""

    collection: ClassVar[str] = "effects"

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    number: Operational[int]


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
    made_at: str = field(init=False)
    """The broker that has the topics, whatever a test makes of the settings."""

    def __post_init__(self) -> None:
        self.made_at = self.settings.kafka_bootstrap

    @property
    def bootstrap(self) -> str:
        """Where Kafka is."""
        return self.settings.kafka_bootstrap

    def bus(self, *subscriptions: Subscription, tuned: BusSettings = QUICK) -> Bus:
        """Return one more process's bus."""
        audit = Audit(self.work.outbox, "gallery")  # the ledger knows a stream for each service that there is
        bus = Bus(self.settings, self.name, self.mongo, self.work, subscriptions, audit=audit, tuned=tuned)
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
        effect = Effect(id=new_id(), user_id=event.user_id, number=event.number)
        await self.mongo.collection(Effect).insert_one(effect.to_mongo())

    async def note_once(self, event: Noted, once: Once) -> None:
        """The usual effect of an I/O handler."""
        await once(lambda: self.note(event))

    async def close(self) -> None:
        """Stop every bus, take the topics away, and disconnect."""
        for bus in self.buses:
            await bus.stop()
        await remove_topics(self.made_at, self.topic, dead_letter_topic(self.group).name)
        await self.mongo.close()

    async def effects(self) -> list[int]:
        """Return the numbers whose effect is there, as often as it is."""
        rows = await self.mongo.collection(Effect).find({}, sort=[("_id", 1)], limit=100_000)
        return [row["number"] for row in rows]

    async def effects_reach(self, count: int, within_s: float = 30.0) -> list[int]:
        """Wait until there are so many effects; return them."""

        async def look() -> list[int]:
            found = await self.effects()
            return found if len(found) >= count else []

        return await eventually(look, within_s)


async def open_bench(settings: CommonSettings, name: str, *, of: type[Topic] = Topic) -> Bench:
    """Return the service of that name, its topics and collections being there. Args: of: what its topic is like."""
    mongo = Mongo.connect(settings, name)
    topic, group = f"test.{name}", f"{name}.note"
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone, Effect])
    await ensure_topics(settings.kafka_bootstrap, [of(topic), dead_letter_topic(group)])
    tombstones = Tombstones(mongo)
    work = UnitOfWork(mongo, Outbox(mongo, name), tombstones)
    return Bench(settings, mongo, name, topic, group, noted(topic), tombstones, work)
