"""A filtered audit replay of a million events, against a raw aiokafka consumer that reads the same topic."""

import gc
import os
import time
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from bench.report import Figure, keep
from deploy.local.spawn import RunningStack
from libs.common.bus.envelope import headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.replay import Reading
from libs.common.bus.topics import PARTITIONS, ensure_topics
from libs.common.clock import now
from libs.common.events.gallery import ImageCaptionedV1
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings
from libs.common.vault.keys import DataKeys
from services.privacy.history import Asked, Stream

EVENTS = 1_000_000
PEOPLE = 100
ROUNDS = 3
A_BATCH = 800
BATCH_BYTES = 1_048_576
MOST = 2_000
SEALED = "Ag" + "A" * 328
"""What makes an event's JSON some 500 bytes long, as a sealed caption does."""

TOPIC = ImageCaptionedV1.topic
"""Nobody consumes it, so that nobody else works while it is read."""


async def run(stack: RunningStack) -> bool:
    """Measure; return whether every bar was reached."""
    told: dict[str, Any] = {name.removeprefix("PIXERA_").lower(): value for name, value in stack.env.items()}
    settings = CommonSettings(**told)
    bootstrap = settings.kafka_bootstrap
    people = [uuid4() for _ in range(PEOPLE)]
    await ensure_topics(bootstrap)
    await _fill(bootstrap, people)
    ours, raw = [], []
    for number in range(ROUNDS):  # in turns, so that what else the machine does meets both
        raw.append(await _measured(_raw(bootstrap)))
        ours.append(await _measured(_ours(settings, people[number])))
    return keep(
        "replay",
        [
            Figure(
                "audit replay, one person of 100",
                median(each.rate for each in ours),
                "events/s",
                ROUNDS,
                median(each.rate for each in raw),
                ">= 0.6",
            ),
            Figure(
                "processor time of whoever reads",
                median(each.processor_us for each in ours),
                "us/event",
                ROUNDS,
                median(each.processor_us for each in raw),
            ),
            Figure(
                "resident memory gained by it", max(each.grown for each in ours), "MiB", ROUNDS, bar="<= 64"
            ),
        ],
    )


class Measured(NamedTuple):
    """One pass. Args: rate: events/s by the clock; processor_us: of this process, an event; grown: MiB at most."""

    rate: float
    processor_us: float
    grown: float


async def _measured(reading: Awaitable[float]) -> Measured:
    """Measure a pass over all events; it returns the most memory that was resident."""
    gc.collect()
    before, began, worked = _resident(), time.perf_counter(), time.process_time()
    most = await reading
    took, worked = time.perf_counter() - began, time.process_time() - worked
    return Measured(EVENTS / took, worked * 1e6 / EVENTS, (most - before) / 2**20)


async def _fill(bootstrap: str, people: list[UUID]) -> None:
    """Write the events, those of a person into one partition."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        for first in range(0, EVENTS, A_BATCH):
            partition = first // A_BATCH % PARTITIONS
            mine = people[partition::PARTITIONS]
            await producer.send_batch(_batch(producer, mine, first), TOPIC, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


def _batch(producer: AIOKafkaProducer, people: list[UUID], first: int) -> BatchBuilder:
    batch = producer.create_batch()
    for number in range(first, first + A_BATCH):
        event = ImageCaptionedV1(
            user_id=people[number % len(people)], image_id=uuid4(), sealed_caption=SEALED, captioned_at=now()
        )
        row = OutboxRow.of(event, "/pixera/gallery", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
        written = batch.append(
            key=row.key.encode(),
            value=row.body,
            timestamp=int(row.time.timestamp() * 1000),
            headers=headers_of(row),
        )
        if written is None:
            raise RuntimeError("a batch is too small for its events")
    batch.close()
    return batch


async def _ours(settings: CommonSettings, person: UUID) -> float:
    """Read what there is of one person, to the last line; return the most memory that was resident."""
    asked = Asked(
        since=now() - timedelta(days=1),
        types=(ImageCaptionedV1.type_name(),),
        topics=(TOPIC,),
        subject=person,
    )
    mongo = Mongo.connect(settings, "privacy")
    keys = DataKeys(mongo, settings)
    stream = Stream(
        await Reading.open(settings.kafka_bootstrap, asked.selection()), asked, keys, lambda: None
    )
    found, most = 0, 0.0
    try:
        async for chunk in stream.lines():
            found += chunk.count(b'"kind":"event"')
            most = max(most, _resident())
    finally:
        await stream.close()
        await mongo.close()
    if not EVENTS / PEOPLE * 0.5 < found < EVENTS / PEOPLE * 2:
        raise RuntimeError(f"{found} events of one person are not what was written")
    return most


async def _raw(bootstrap: str) -> float:
    """Read everything and do nothing with it; return the most memory that was resident."""
    partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    seen, most = 0, 0.0
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        while seen < EVENTS:
            for records in (await consumer.getmany(timeout_ms=1_000, max_records=MOST)).values():
                seen += len(records)
            most = max(most, _resident())
    finally:
        await consumer.stop()
    return most


def _resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
