"""Dead letters as tests look at them: the rows of a bench's database, and handlers that fail when told to."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from libs.common.app import Parts, Platform, create_process
from libs.common.bus.consumes import Once, Subscription
from libs.common.bus.letters.rows import DeadLetter, ParkedKey, State
from libs.common.document import Document
from libs.common.errors import Invalid
from libs.common.privacy.holdings import OF_THE_BUS, Holdings
from libs.common.settings import CommonSettings
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench


class BusHoldings(Holdings):
    """The holdings of a service that has nothing but what the bus keeps."""

    def stored_documents(self) -> list[type[Document]]:
        return [held.document for held in OF_THE_BUS]


class Refuses:
    """A handler that fails for some numbers for as long as it is told to, and has the usual effect otherwise."""

    def __init__(self, bench: Bench, *numbers: int, error: Exception | None = None) -> None:
        self.bench, self.error = bench, error or Invalid()
        self.numbers = set(numbers)
        self.tries = 0

    async def __call__(self, event: Noted, *once: Once) -> None:
        if event.number in self.numbers:
            self.tries += 1
            raise self.error
        if once:
            await self.bench.note_once(event, once[0])
        else:
            await self.bench.note(event)


def failing_service(settings: CommonSettings, bench: Bench, refuses: Refuses) -> FastAPI:
    """Return a whole process of gallery's, API and worker in one, whose handler of the bench's events is this one."""

    def compose(platform: Platform) -> Parts:
        refuses.bench = replace(bench, mongo=platform.mongo)  # a transaction is of one client
        return Parts(bench, subscriptions=[Subscription((bench.event,), bench.group, refuses, io=False)])

    holdings = BusHoldings("gallery", collections=OF_THE_BUS)
    return create_process(
        name="gallery", role="all", settings=settings, holdings=holdings, routers=[], compose=compose
    )


async def letters(bench: Bench, *states: State) -> list[DeadLetter]:
    """Return the letters, in the order in which they came, of some states or all."""
    query: dict[str, Any] = {"state": {"$in": list(states)}} if states else {}
    rows = await bench.mongo.collection(DeadLetter).find(query, sort=[("place", 1), ("at", 1)], limit=10_000)
    return [DeadLetter.from_mongo(row) for row in rows]


async def letters_reach(bench: Bench, count: int, *states: State) -> list[DeadLetter]:
    """Wait for so many letters; return them."""

    async def look() -> list[DeadLetter]:
        found = await letters(bench, *states)
        return found if len(found) >= count else []

    return await eventually(look)


async def lanes(bench: Bench) -> list[ParkedKey]:
    """Return the keys that wait."""
    return [ParkedKey.from_mongo(row) for row in await bench.mongo.collection(ParkedKey).find({})]


async def of_person(bench: Bench, user_id: UUID) -> list[int]:
    """Return the numbers of a person's effects, in the order in which they were had."""
    rows = await bench.mongo.collection("effects").find({"user_id": user_id}, sort=[("_id", 1)])
    return [row["number"] for row in rows]
