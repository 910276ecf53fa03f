"""Draws in a bounded set of processes, by the backend that the worker was told to use."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from libs.common.processes import ProcessDied, ProcessPool
from services.generation import drawing
from services.generation.backends.base import Rendered, Spec
from services.generation.errors import JobStopped
from services.generation.metrics import RENDER_PROCESSES, RENDER_SECONDS, RENDERING

START_TIMEOUT_S = 60.0


class RenderFailed(Exception):
    """An image cannot be drawn, whoever tries. Args: reason: the code that its person is told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Renderer:
    """One backend, in as many processes as it was given."""

    def __init__(self, backend: str, processes: int, *, timeout_s: float, nice: int = 0) -> None:
        self._path, self._timeout_s = backend, timeout_s
        self._pool = ProcessPool(processes, preload=(backend.partition(":")[0],), nice=nice)
        self._turns = asyncio.Semaphore(processes + 1)
        self._backend: str | None = None
        RENDER_PROCESSES.set(processes)

    async def begin(self) -> None:
        """Start drawing processes: a worker that is ready draws, and its first job waits for none.

        Raises:   ProcessDied, or what the backend raises: it cannot be loaded, and the worker does not start.
        """
        await self.backend()

    async def backend(self) -> str:
        """Return the backend's name and version, as its process says them."""
        if self._backend is None:
            self._backend = await self._pool.run(drawing.identity, self._path, timeout_s=START_TIMEOUT_S)
        return self._backend

    async def draw(self, spec: Spec, still_wanted: Callable[[], Awaitable[bool]]) -> Rendered:
        """Draw one image when there is a process free for it.

        Args:     still_wanted: asked right before the drawing begins, where it had to wait for its turn.
        Raises:   JobStopped: it is not wanted any more.  RenderFailed: it cannot be drawn.
        """
        waits = self._turns.locked()
        async with self._turns:
            if waits and not await still_wanted():
                raise JobStopped
            with RENDERING.track_inprogress():
                return await self._drawn(spec)

    async def _drawn(self, spec: Spec) -> Rendered:
        started = time.perf_counter()
        try:
            picture = await self._pool.run(drawing.draw, self._path, spec, timeout_s=self._timeout_s)
        except ProcessDied as error:
            raise RenderFailed("render-crashed") from error
        except ValueError as error:
            raise RenderFailed("not-drawable") from error
        RENDER_SECONDS.observe(time.perf_counter() - started)
        return picture

    async def close(self) -> None:
        """Stop the processes."""
        await self._pool.close()
