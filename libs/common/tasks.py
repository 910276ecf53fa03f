"""Background loops that do not die quietly."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable

from libs.common.logging import logger
from libs.common.metrics import LOOP_LAG, TASK_RESTARTS
from libs.common.stopping import is_cancelled

Loop = Callable[[], Awaitable[None]]

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
LAG_PROBE_S = 0.5

log = logger("tasks")


class Background:
    """Runs loops until stopped; one that fails is started again with backoff, and says so."""

    def __init__(self, loops: Iterable[Loop]) -> None:
        self._loops = list(loops)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every loop."""
        self._tasks = [asyncio.create_task(_forever(loop), name=_name(loop)) for loop in self._loops]

    async def stop(self) -> None:
        """Cancel every loop and wait until each has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _forever(loop: Loop) -> None:
    """Begin a loop again whenever it ends; the waits begin anew where it went well for longer than the longest."""
    wait = FIRST_WAIT_S
    while True:
        began = time.monotonic()
        try:
            await loop()
            wait = FIRST_WAIT_S
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            if time.monotonic() - began > LONGEST_WAIT_S:
                wait = FIRST_WAIT_S
            TASK_RESTARTS.labels(_name(loop)).inc()
            log.warning("background.restarted", task=_name(loop), exc_info=error, wait_s=wait)
        await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
        wait = min(wait * 2, LONGEST_WAIT_S)


def _name(loop: Loop) -> str:
    return getattr(loop, "__qualname__", type(loop).__name__)


async def probe_loop_lag() -> None:
    """Measure how late the event loop wakes, for as long as the process lives."""
    clock = asyncio.get_running_loop().time
    while True:
        asked = clock()
        await asyncio.sleep(LAG_PROBE_S)
        LOOP_LAG.set(max(0.0, clock() - asked - LAG_PROBE_S))
