"""How far a service's consumer groups are behind, as the broker knows it: also when no consumer lives to tell."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs.common.bus.connection import connection
from libs.common.bus.group import Group
from libs.common.bus.offsets import committed

REQUEST_MS = 4_000
READ_S = 2.0
"""How long the oldest unsettled records are waited for; without them the lag is told in records only."""
READ_BYTES = 16_384
"""A first record is wanted; whatever its size, the broker hands out one batch."""

Offsets = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class GroupLag:
    """One consumer group. Args: age_s: of the oldest unsettled record, None where it could not be read in time."""

    group: str
    members: int
    lag: int
    age_s: float | None


async def measure_groups(bootstrap: str, groups: Iterable[Group]) -> list[GroupLag]:
    """Return how each group stands.

    Raises:   KafkaError, OSError: the broker does not answer.
    """
    wanted = sorted(groups, key=lambda group: group.name)
    async with _clients(bootstrap) as (admin, consumer):
        parts = await _partitions(admin, {topic for group in wanted for topic in group.topics})
        consumer.assign(parts)
        first, end = await asyncio.gather(consumer.beginning_offsets(parts), consumer.end_offsets(parts))
        members = await _members(admin, [group.name for group in wanted])
        lags = []
        for group in wanted:
            reached = await _reached(admin, group, first)
            behind = {part: offset for part, offset in reached.items() if offset < end[part]}
            lag = sum(end[part] - offset for part, offset in behind.items())
            age_s = await _oldest_age(consumer, behind)
            lags.append(GroupLag(group.name, members.get(group.name, 0), lag, age_s))
        return lags


@asynccontextmanager
async def _clients(bootstrap: str) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
    told = await connection(bootstrap)
    admin = AIOKafkaAdminClient(**told, request_timeout_ms=REQUEST_MS)
    consumer = AIOKafkaConsumer(
        **told,
        enable_auto_commit=False,
        request_timeout_ms=REQUEST_MS,
        max_partition_fetch_bytes=READ_BYTES,
    )
    try:
        await asyncio.gather(admin.start(), consumer.start())
        yield admin, consumer
    finally:
        await asyncio.gather(admin.close(), consumer.stop())


async def _partitions(admin: AIOKafkaAdminClient, topics: Iterable[str]) -> list[TopicPartition]:
    described = await admin.describe_topics(sorted(topics))
    return [
        TopicPartition(topic["topic"], part["partition"])
        for topic in described
        if not topic["error_code"]  # not made yet: nothing was ever published there
        for part in topic["partitions"]
    ]


async def _members(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Return how many consumers each group has; aiokafka hands the broker's answer on as it came.

    One group a request: aiokafka 0.14 reads an answer of version 3 by the schema of version 2, which goes wrong from
    the second group on (`DescribeGroupsRequest_v3.RESPONSE_TYPE`).
    """
    answers = await asyncio.gather(*(admin.describe_consumer_groups([name]) for name in names))
    found = [group for (answer,) in answers for group in answer.to_object()["groups"]]
    return {group["group"]: len(group["members"]) for group in found}


async def _reached(admin: AIOKafkaAdminClient, group: Group, first: Offsets) -> dict[TopicPartition, int]:
    """Return up to where a group has settled each partition that there is."""
    known = await committed(admin, group.name)
    # What was never committed, or has outlived its topic's retention, begins where the topic does.
    return {
        part: max(known.get(part, 0), begins) for part, begins in first.items() if part.topic in group.topics
    }


async def _oldest_age(consumer: AIOKafkaConsumer, behind: Offsets) -> float | None:
    """Return the age of the oldest record that is not settled, 0 where all are."""
    if not behind:
        return 0.0
    consumer.assign(list(behind))
    for part, offset in behind.items():
        consumer.seek(part, offset)
    try:
        async with asyncio.timeout(READ_S):
            oldest_ms = min(await _first_timestamps(consumer, set(behind)))
    except TimeoutError:
        return None
    return max(0.0, time.time() - oldest_ms / 1_000)


async def _first_timestamps(consumer: AIOKafkaConsumer, waiting: set[TopicPartition]) -> list[int]:
    found: list[int] = []
    while waiting:
        for part, records in (await consumer.getmany(*waiting, timeout_ms=200)).items():
            found.append(records[0].timestamp)
            consumer.pause(part)
            waiting.discard(part)
    return found
