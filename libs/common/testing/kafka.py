"""Kafka as a test sees it from outside: all records of a topic, and records no service would write."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs.common.bus.envelope import Headers, Record
from libs.common.testing.waiting import eventually


async def records_of(bootstrap: str, topic: str) -> list[Record]:
    """Return all that is in a topic now, in order within each partition."""
    # Subscribed, and by no group: it hears of this topic alone, where others are told of every topic there is.
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic) or ()]
        ends = await consumer.end_offsets(partitions)
        records: list[Record] = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for fetched in (await consumer.getmany(timeout_ms=200)).values():
                records += fetched
        return records
    finally:
        await consumer.stop()


async def committed(bootstrap: str, group: str, topic: str) -> Mapping[int, int]:
    """Return how far a group has committed, by partition."""
    async with _reader(bootstrap, topic, group) as (consumer, partitions):
        found = {partition.partition: await consumer.committed(partition) for partition in partitions}
    return {number: offset for number, offset in found.items() if offset is not None}


async def caught_up(bootstrap: str, group: str, *topics: str) -> None:
    """Return once a group has committed all that there is in some topics."""
    for topic in topics:
        await eventually(partial(_caught_up, bootstrap, group, topic), within_s=60)


async def rewind(bootstrap: str, group: str, topic: str) -> None:
    """Let a group without members begin its topic anew, as after a crash before it committed anything."""
    async with _reader(bootstrap, topic, group) as (consumer, partitions):
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))


async def _caught_up(bootstrap: str, group: str, topic: str) -> bool:
    async with _reader(bootstrap, topic, group) as (consumer, partitions):
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        waiting = [each for each in partitions if begins[each] < ends[each]]
        return all([(await consumer.committed(each) or 0) >= ends[each] for each in waiting])


@asynccontextmanager
async def _reader(
    bootstrap: str, topic: str, group: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer, await _partitions(bootstrap, topic)
    finally:
        await consumer.stop()


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions, asked of the broker: a consumer knows only those it has read from."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [TopicPartition(topic, each["partition"]) for each in described["partitions"]]


async def remove_topics(bootstrap: str, *topics: str) -> None:
    """Remove topics: every client hears of all there are, again and again, so that a run's remains slow the run."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(list(topics))
    finally:
        await admin.close()


@asynccontextmanager
async def raw_producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that writes whatever it is given."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def without(headers: Headers, name: str) -> Headers:
    """Return headers less one."""
    return [(key, value) for key, value in headers if key != name]
