"""Outbox -> relay -> Kafka -> inbox and effect: the product's bus, against a bare script of the same steps."""

import asyncio
import time
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, ClassVar
from uuid import UUID, uuid4

from pydantic import Field

from bench.bare_bus import BareBus
from bench.report import Figure, keep, p50, p99
from deploy.local.spawn import RunningStack
from libs.common.bus.consumes import Subscription
from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS, Bus
from libs.common.bus.topics import Topic, ensure_topics
from libs.common.clock import new_id
from libs.common.document import Document
from libs.common.events.base import Event
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Operational
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.settings import CommonSettings
from libs.common.work import UnitOfWork

RATE = 50
TIMED = 1_500
WARM_UP = 100
GROUPED = 20_000
A_TRANSACTION = 100
WRITERS = 4
ROUNDS = 3
KEYS = 200
PATIENCE_S = 120.0


class BenchEffectedV1(Event, topic="bench.effected", subject="user_id"):
    """Something to be done once. Consumers: the benchmark."""

    user_id: UUID
    number: int


def on_a_topic_of_its_own() -> type[BenchEffectedV1]:
    """Return the event on a fresh topic: a new group would read what earlier rounds left on a shared one."""
    keywords = {"topic": f"bench.effected-{uuid4().hex[:8]}", "subject": "user_id"}
    made: type[BenchEffectedV1] = types.new_class("BenchEffected", (BenchEffectedV1,), keywords)
    return made


class Business(Document):
    """The row that is written with the event."""

    collection: ClassVar[str] = "business"

    id: Operational[UUID] = Field(alias="_id")
    number: Operational[int]


class Effect(Document):
    """The row that the event causes."""

    collection: ClassVar[str] = "effects"

    id: Operational[UUID] = Field(alias="_id")
    number: Operational[int]


class OurBus:
    """The product's bus in this process, writer and consumer alike."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings
        self._mongo = Mongo.connect(settings, f"bench_{uuid4().hex[:8]}")
        self._outbox = Outbox(self._mongo, "bench")
        self._work = UnitOfWork(self._mongo, self._outbox, Tombstones(self._mongo))
        self._effects = self._mongo.collection(Effect)
        self._business = self._mongo.collection(Business)
        self._people = [uuid4() for _ in range(KEYS)]
        self._event = on_a_topic_of_its_own()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["OurBus"]:
        """Start the relay and a consumer; yield once both are at work."""
        await self._mongo.prepare([*BUS_DOCUMENTS, Tombstone, Business, Effect])
        await ensure_topics(self._settings.kafka_bootstrap, [Topic(self._event.topic)])
        group = f"bench.{uuid4().hex[:8]}"
        subscription = Subscription((self._event,), group, self._handle, io=False, many=True)
        bus = Bus(self._settings, "bench", self._mongo, self._work, [subscription])
        await bus.start()
        try:
            yield self
        finally:
            await bus.stop()
            await self._mongo.client.drop_database(self._mongo.database)
            await self._mongo.close()

    async def _handle(self, events: list[BenchEffectedV1]) -> None:
        await self._effects.insert_many([{"_id": new_id(), "number": event.number} for event in events])

    async def write(self, numbers: range) -> None:
        """Write business rows and their events, in one transaction."""

        async def write() -> None:
            await self._business.insert_many([{"_id": new_id(), "number": number} for number in numbers])
            events = (self._event(user_id=self._people[n % KEYS], number=n) for n in numbers)
            await self._outbox.add(*events)

        await self._work.run(write)

    async def seen(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield effects as they are committed."""
        async for rows in self._effects.inserts():
            yield rows

    async def count(self) -> int:
        """Return how many effects there are."""
        return await self._effects.count({})


async def run(stack: RunningStack) -> bool:
    """Measure; return whether every bar was reached."""
    told: dict[str, Any] = {name.removeprefix("PIXERA_").lower(): value for name, value in stack.env.items()}
    settings = CommonSettings(**told)
    async with OurBus(settings).running() as ours:
        latencies = await _latencies(ours)
    grouped, bare = [], []
    for _ in range(ROUNDS):  # in turns, so that what else the machine does meets both
        grouped.append(await _ours_grouped(settings))
        bare.append(await _bare_grouped(stack))
    return keep(
        "bus",
        [
            Figure(f"outbox to effect at {RATE}/s, p50", p50(latencies) * 1000, "ms", len(latencies)),
            Figure(
                f"outbox to effect at {RATE}/s, p99", p99(latencies) * 1000, "ms", len(latencies), bar="<= 50"
            ),
            Figure(
                f"grouped, {A_TRANSACTION} events a transaction",
                median(grouped),
                "events/s",
                ROUNDS,
                median(bare),
                ">= 0.6",
            ),
        ],
    )


async def _latencies(ours: OurBus) -> list[float]:
    """Return the seconds from the writer's commit to the sight of the effect, event by event."""
    written: dict[int, float] = {}
    took: dict[int, float] = {}

    async def watch() -> None:
        async for rows in ours.seen():
            moment = time.perf_counter()
            took.update({row["number"]: moment - written.get(row["number"], moment) for row in rows})

    watching = asyncio.create_task(watch())
    for number in range(WARM_UP + TIMED):
        began = time.perf_counter()
        await ours.write(range(number, number + 1))
        written[number] = time.perf_counter()
        await asyncio.sleep(max(0.0, 1 / RATE - (time.perf_counter() - began)))
    await _until(lambda: _reached(took, WARM_UP + TIMED))
    watching.cancel()
    return [took[number] for number in range(WARM_UP, WARM_UP + TIMED)]


async def _reached(took: dict[int, float], count: int) -> bool:
    return len(took) >= count


async def _ours_grouped(settings: CommonSettings) -> float:
    async with OurBus(settings).running() as ours:
        return await _rate(ours.write, ours.count)


async def _bare_grouped(stack: RunningStack) -> float:
    async with BareBus(stack.env).running() as bare:
        return await _rate(bare.write, bare.count)


async def _rate(write: Callable[[range], Awaitable[None]], count: Callable[[], Awaitable[int]]) -> float:
    """Return events a second from the first write to the last effect; everything runs at the same time."""
    await write(range(A_TRANSACTION))
    await _until(lambda: _counted(count, A_TRANSACTION))
    turns = iter(range(A_TRANSACTION, A_TRANSACTION + GROUPED, A_TRANSACTION))

    async def writer() -> None:
        for first in turns:
            await write(range(first, first + A_TRANSACTION))

    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    await _until(lambda: _counted(count, A_TRANSACTION + GROUPED))
    return GROUPED / (time.perf_counter() - began)


async def _counted(count: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await count() >= wanted


async def _until(there: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await there():  # noqa: ASYNC110 - the stores tell when asked
            await asyncio.sleep(0.02)
