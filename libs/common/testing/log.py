"""The event log in tests: a beginning of one's own, and the relay that fills it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from libs.common.app import Platform
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.process import Bus
from libs.common.bus.settings import BusSettings
from libs.common.bus.topics import ensure_topics
from libs.common.testing.waiting import eventually


async def begin_anew(bootstrap: str, topics: Iterable[str]) -> None:
    """Delete what topics hold, as the end of their retention does."""
    admin, consumer = (
        AIOKafkaAdminClient(bootstrap_servers=bootstrap),
        AIOKafkaConsumer(bootstrap_servers=bootstrap),
    )
    await admin.start()
    await consumer.start()
    try:
        described = await admin.describe_topics(sorted(set(topics)))
        partitions = [
            TopicPartition(topic["topic"], each["partition"])
            for topic in described
            for each in topic["partitions"]
        ]
        consumer.assign(partitions)  # else it asks for the metadata of one topic after the other
        ends = await consumer.end_offsets(partitions)
        await admin.delete_records(
            {at: RecordsToDelete(before_offset=end) for at, end in ends.items() if end}
        )
    finally:
        await consumer.stop()
        await admin.close()


@asynccontextmanager
async def relaying(platform: Platform) -> AsyncIterator[None]:
    """Publish what a service leaves in its outbox, for the block."""
    await ensure_topics(platform.settings.kafka_bootstrap)
    bus = Bus(platform.settings, platform.name, platform.mongo, platform.work, [], tuned=BusSettings())
    await bus.start()
    try:
        yield
    finally:
        await bus.stop()


async def all_published(platform: Platform) -> None:
    """Return once nothing waits in a service's outbox."""
    outbox = platform.mongo.collection(OutboxRow)

    async def empty() -> bool:
        return await outbox.count({}) == 0

    await eventually(empty, within_s=60)
