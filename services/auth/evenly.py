"""Answers whose time tells nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def evenly(floor_s: float) -> AsyncIterator[None]:
    """Let the block end no sooner than the floor, so that its time does not tell what it found."""
    loop = asyncio.get_running_loop()
    earliest = loop.time() + floor_s
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, earliest - loop.time()))
