"""Waiting in tests: for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_EVERY_S = 0.02


async def eventually(look: Callable[[], Awaitable[T]], within_s: float = 30.0) -> T:
    """Return the first true thing that `look` returns. Raises: AssertionError: it never was."""
    deadline = time.monotonic() + within_s
    while not (found := await look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:.0f} s: the last look saw {found!r}")
        await asyncio.sleep(LOOK_EVERY_S)
    return found
