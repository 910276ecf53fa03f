"""A process of a service inside the test's own event loop, reached over real HTTP, and what it published."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

import uvicorn
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI

from libs.common.events.base import Event

E = TypeVar("E", bound=Event)
T = TypeVar("T")
WITHIN_S = 30.0
LOOK_AGAIN_S = 0.05


class _Server(uvicorn.Server):
    """A server that leaves the signals to the test runner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Run an app, its lifespan included, on a free port for the block; yield its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve([listening]))
    try:
        while not server.started:
            if running.done():
                raise RuntimeError("the app did not start")
            await asyncio.sleep(LOOK_AGAIN_S)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def eventually(look: Callable[[], Awaitable[T]], within_s: float = WITHIN_S) -> T:
    """Return what the look returns as soon as it is true.

    Raises:   AssertionError: it was not in time.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + within_s
    while not (seen := await look()):
        assert clock() < until, f"not within {within_s:.0f} s; seen last: {seen!r}"  # noqa: S101
        await asyncio.sleep(LOOK_AGAIN_S)
    return seen


async def published(bootstrap: str, kind: type[E], user_id: UUID) -> list[E]:
    """Return every event of a kind that is about a person, read from the topic's beginning."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        metadata = await consumer.topics()
        if kind.topic not in metadata:
            return []
        numbers = consumer.partitions_for_topic(kind.topic) or set()
        partitions = [TopicPartition(kind.topic, number) for number in numbers]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        return await _read(consumer, kind, user_id, ends)
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, kind: type[E], user_id: UUID, ends: dict[TopicPartition, int]
) -> list[E]:
    found: list[E] = []
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            about = [record.value for record in records if str(user_id).encode() in record.value]
            found += [kind.model_validate_json(value) for value in about]
    return found
