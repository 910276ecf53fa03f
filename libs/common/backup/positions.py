"""Where the event log ended at a backup's moment, how far each group had come, and putting groups back there."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from libs.common.backup.errors import LogLost
from libs.common.backup.manifest import Offsets
from libs.common.bus import offsets
from libs.common.bus.connection import connection
from libs.common.bus.replay import LogUnavailable
from libs.common.bus.topics import event_topics
from libs.common.bus.trouble import Backoff

REQUEST_MS = 10_000
MEMBERS_GONE_S = 30.0
"""The broker counts a consumer that was killed as a member until its session is over."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 2.0


async def committed(bootstrap: str, services: Iterable[str]) -> dict[str, Offsets]:
    """Return how far the services' consumer groups have committed. Raises LogUnavailable (503)."""
    ours = tuple(f"{service}." for service in services)
    async with _admin(bootstrap) as admin:
        names = [group for group, *_ in await admin.list_consumer_groups() if group.startswith(ours)]
        return {name: _by_topic(await offsets.committed(admin, name)) for name in sorted(names)}


async def ends(bootstrap: str) -> Offsets:
    """Return where every event's topic ends. Raises LogUnavailable (503)."""
    _, last = await bounds(bootstrap)
    return _by_topic(last)


async def require_reach(bootstrap: str, since: Offsets) -> None:
    """Raises: LogLost (409): records after these offsets are gone, or it is another log; LogUnavailable (503)."""
    first, last = await bounds(bootstrap)
    for topic, parts in since.items():
        for number, offset in parts.items():
            place = TopicPartition(topic, number)
            if not first.get(place, -1) <= offset <= last.get(place, -1):
                raise LogLost(f"{topic} {number} does not hold what came after {offset}")


async def put_back(bootstrap: str, group: str, positions: Mapping[TopicPartition, int]) -> None:
    """Let a group that nobody is in go on from these positions; one whose members died just now is waited for.

    Raises:   LogUnavailable (503).
    """
    consumer = AIOKafkaConsumer(
        **await connection(bootstrap), group_id=group, enable_auto_commit=False, request_timeout_ms=REQUEST_MS
    )
    backoff, deadline = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S), time.monotonic() + MEMBERS_GONE_S
    try:
        await consumer.start()
        consumer.assign(list(positions))
        while True:
            try:
                await consumer.commit(dict(positions))
            except KafkaError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(backoff.next())
            else:
                return
    except (KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable from error
    finally:
        await consumer.stop()


def flat(offsets: Offsets) -> dict[TopicPartition, int]:
    """Return offsets by partition."""
    return {
        TopicPartition(topic, number): offset
        for topic, parts in offsets.items()
        for number, offset in parts.items()
    }


async def bounds(bootstrap: str) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return where every partition of the events' topics begins and ends. Raises LogUnavailable (503)."""
    async with _admin(bootstrap) as admin:
        names = {topic.name for topic in event_topics()} & set(await admin.list_topics())
        described = await admin.describe_topics(sorted(names))
    places = [
        TopicPartition(topic["topic"], each["partition"])
        for topic in described
        for each in topic["partitions"]
    ]
    consumer = AIOKafkaConsumer(
        **await connection(bootstrap), enable_auto_commit=False, request_timeout_ms=REQUEST_MS
    )
    try:
        await consumer.start()
        consumer.assign(places)  # else it asks for the metadata of one topic after the other, for 4 s in all
        first, last = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    except (KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable from error
    finally:
        await consumer.stop()
    return first, last


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**await connection(bootstrap), request_timeout_ms=REQUEST_MS)
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable from error
    finally:
        await admin.close()


def _by_topic(offsets: Mapping[TopicPartition, int]) -> Offsets:
    found: Offsets = {}
    for place, offset in sorted(offsets.items()):
        found.setdefault(place.topic, {})[place.partition] = offset
    return found
