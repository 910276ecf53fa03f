"""Reads what auth published from real Kafka."""

import asyncio
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer

from libs.common.events.base import Event
from tests.auth.people import Auth

E = TypeVar("E", bound=Event)
WAIT_S = 15.0


@dataclass(frozen=True)
class Record:
    """One record, as anybody who reads the topic sees it."""

    topic: str
    key: bytes
    body: bytes
    headers: str


async def records(bootstrap: str, *topics: str) -> list[Record]:
    """Every record of some topics, from the beginning to the present end."""
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[Record] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [Record(each.topic, each.key, each.value, str(each.headers)) for each in batch]
        return found
    finally:
        await consumer.stop()


async def events_of(auth: Auth, kind: type[E], needle: UUID) -> list[E]:
    """The published events of a kind that name an id, once there is one."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while True:
        published = await records(auth.service.settings.kafka_bootstrap, kind.topic)
        if bodies := [each.body for each in published if str(needle).encode() in each.body]:
            return [kind.model_validate_json(body) for body in bodies]
        assert asyncio.get_running_loop().time() < deadline, f"no {kind.topic} names {needle}"
        await asyncio.sleep(0.1)
