"""A stop that ends: every part of a process has a while to close, and what hangs on a dead server is left behind.

Nothing is lost by that: what was not settled is in an outbox or a topic, as after a crash.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from libs.common.logging import logger

CLOSES_WITHIN_S = 1.0

log = logger("stopping")


def closes(
    stack: AsyncExitStack, close: Callable[[], Awaitable[None]], within_s: float = CLOSES_WITHIN_S
) -> None:
    """Have the stack close something at its end, within a time."""
    stack.push_async_callback(_close, close, within_s)


def end_process() -> None:
    """Stop as by SIGTERM, with the bounds that a stop has; whoever started the process starts it again."""
    os.kill(os.getpid(), signal.SIGTERM)


def is_cancelled() -> bool:
    """Tell whether somebody wants this task to end: what a library cancelled of its own looks the same otherwise.

    Source:   aiokafka#647: a client's `stop` raises the cancellation of its own fetch.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _close(close: Callable[[], Awaitable[None]], within_s: float) -> None:
    closing = asyncio.ensure_future(close())
    await asyncio.wait({closing}, timeout=within_s)
    if closing.done():
        await closing
        return
    closing.cancel()  # and not waited for: its ending may hang just as well
    log.warning("process.left_hanging", part=close.__qualname__, within_s=within_s)
