"""Whether every event arrived: read from the log and the inboxes, the services are not asked."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from pymongo import AsyncMongoClient

from contracts.asyncapi import all_subscriptions
from libs.common.bus.envelope import Record, first_of
from libs.common.bus.group import groups_of
from libs.common.bus.replay import Reading
from libs.common.bus.selection import Selection
from libs.common.bus.topics import DEAD_LETTER_SUFFIX, event_topics
from libs.common.events.base import REGISTRY
from libs.common.status.groups import measure_groups

Env = Mapping[str, str]
Client = AsyncMongoClient[dict[str, Any]]
PREFIX = "pixera_"
SERVICES = ("auth", "gallery", "generation", "billing", "privacy")


def connected(env: Env) -> Client:
    """Return a client of the database."""
    return AsyncMongoClient(env["PIXERA_MONGO_URI"], uuidRepresentation="standard", timeoutMS=20_000)


async def waiting(env: Env, client: Client) -> list[str]:
    """Say what is still on its way: in an outbox, or before a consumer group."""
    outboxes = {name: await client[PREFIX + name]["outbox"].count_documents({}) for name in SERVICES}
    found = [f"outbox of {name}: {rows}" for name, rows in outboxes.items() if rows]
    lags = await measure_groups(env["PIXERA_KAFKA_BOOTSTRAP"], groups_of(all_subscriptions()))
    return found + [f"{each.group}: {each.lag} behind" for each in lags if each.lag]


async def lost(env: Env, client: Client) -> dict[str, int]:
    """Return how many events there are, how many deliveries they asked for, and how many of those did not happen."""
    readers = _readers()
    events = {
        first_of(each.headers, "ce_id"): each
        async for each in _records(env, [t.name for t in event_topics()])
    }
    gone = {row["_id"] async for row in client[PREFIX + "auth"]["tombstones"].find({}, {"_id": 1})}
    due = {
        f"{group}:{key}"
        for key, record in events.items()
        for group in readers.get(record.topic, ())
        if not _is_dropped(record, gone)
    }
    done = set()
    for name in SERVICES:
        done |= {row["_id"] async for row in client[PREFIX + name]["inbox"].find({}, {"_id": 1})}
    return {"events": len(events), "deliveries": len(due), "lost": len(due - done)}


async def dead_letters(env: Env) -> int:
    """Return how many events were put aside."""
    names = [group.name + DEAD_LETTER_SUFFIX for group in groups_of(all_subscriptions())]
    return len([record async for record in _records(env, names)])


def _readers() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for subscription in all_subscriptions():
        for topic in subscription.topics:
            found.setdefault(topic, set()).add(subscription.group)
    return found


def _is_dropped(record: Record, gone: set[UUID]) -> bool:
    """Tell whether an event is of somebody who is erased, and so has no effect any more."""
    fenced = any(event.fenced for (topic, _), event in REGISTRY.items() if topic == record.topic)
    return fenced and any(str(person).encode() in (record.value or b"") for person in gone)


async def _records(env: Env, topics: list[str]) -> AsyncIterator[Record]:
    reading = await Reading.open(env["PIXERA_KAFKA_BOOTSTRAP"], Selection(tuple(topics)))
    try:
        async for batch in reading.batches():
            for record in batch:
                yield record
    finally:
        await reading.close()
