"""A process of a service inside the test's own event loop, reached over real HTTP, and what it published."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar
from uuid import UUID

import httpx
import uvicorn
from fastapi import FastAPI

from libs.common.events.base import Event
from libs.common.testing.kafka import records_of
from libs.common.testing.waiting import eventually

E = TypeVar("E", bound=Event)
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
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        await eventually(partial(_ready, address), within_s=30)
        yield address
    finally:
        server.should_exit = True
        await running


async def _ready(address: str) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{address}/readyz")).is_success


async def published(bootstrap: str, kind: type[E], user_id: UUID) -> list[E]:
    """Return every event of a kind that is about a person, read from the topic's beginning."""
    values = [record.value or b"" for record in await records_of(bootstrap, kind.topic)]
    return [kind.model_validate_json(value) for value in values if str(user_id).encode() in value]
