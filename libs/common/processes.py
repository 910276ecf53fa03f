"""CPU-bound work in a bounded set of processes: the event loop never waits for it, none outlives its owner."""

import asyncio
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TypeVar

from libs.common.errors import PixeraError, Unavailable
from libs.common.logging import logger

T = TypeVar("T")

STALLED = 10
"""How many times its processor time a call may take by the clock: a busy machine is no fault of the call."""

SETTINGS = "PIXERA_"
"""How the names of settings begin, secrets among them."""
ADDRESS_SPACE = 2 * 2**30
"""Bytes that a child may address: several times what a picture of 50 megapixels needs."""
OOM_FIRST = "1000"

log = logger("processes")


class ProcessDied(PixeraError):
    """The work killed the process it ran in, twice: by a crash, by its memory, or by its time."""

    code, title = "process-died", "This could not be worked on"


class Busy(Unavailable):
    """More work waits than is let wait."""

    code, title = "busy", "Too much is being worked on at the moment, try again"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


class ProcessPool:
    """Runs functions in child processes, at most `workers` at once.

    Children are forked from a clean server process that has `preload` imported, never from this one, whose threads
    and connections must not be copied. They start at first use.

    Args:     preload: modules with the heavy imports; waiting: most calls let wait for a process, None for no
              limit; nice: how far the children stand back for the rest of the machine.
    """

    def __init__(
        self, workers: int, *, preload: Sequence[str] = (), waiting: int | None = None, nice: int = 0
    ) -> None:
        self.workers = workers
        self._waiting, self._most_waiting = 0, waiting
        # One call more than there are processes is handed in, so that none stands idle while the loop is busy.
        self._slots = asyncio.Semaphore(workers + 1)
        self._nice = nice
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *preload])
        self._executor: ProcessPoolExecutor | None = None

    async def run(self, call: Callable[..., T], *args: object, timeout_s: float) -> T:
        """Return what `call(*args)` returns; an error it raises is raised here.

        What killed its process is tried once more in a process of its own, because it may have been a
        neighbour's fault.

        Args:     call: an importable function; timeout_s: seconds of processor time, after which it is killed.
        Raises:   Busy (503): too much waits.  ProcessDied: it killed its process twice.
        """
        if self._most_waiting is not None and self._waiting >= self._most_waiting:
            raise Busy
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._run(call, args, timeout_s)
        finally:
            self._slots.release()

    async def _run(self, call: Callable[..., T], args: tuple[object, ...], timeout_s: float) -> T:
        executor = self._shared()
        try:
            return await _submit(executor, call, args, timeout_s)
        except BrokenProcessPool:
            self._discard(executor)
        log.warning("processes.retried_alone", call=call.__qualname__)
        alone = self._new(1)
        try:
            return await _submit(alone, call, args, timeout_s)
        except BrokenProcessPool as error:
            raise ProcessDied from error
        finally:
            alone.shutdown(wait=False, cancel_futures=True)

    def _shared(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = self._new(self.workers)
        return self._executor

    def _discard(self, broken: ProcessPoolExecutor) -> None:
        """Let go of a broken executor, unless another caller has replaced it already."""
        if self._executor is broken:
            self._executor = None
            broken.shutdown(wait=False, cancel_futures=True)

    def _new(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, self._context, initializer=_begin, initargs=(self._nice,))

    async def close(self) -> None:
        """Stop the children; what has begun is finished first."""
        if self._executor is not None:
            executor, self._executor = self._executor, None
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)


async def _submit(
    executor: ProcessPoolExecutor, call: Callable[..., T], args: tuple[object, ...], timeout_s: float
) -> T:
    # Who hands in a call waits for a child that has to be started, and first of all for the server that forks it.
    return await asyncio.wrap_future(await asyncio.to_thread(executor.submit, _timed, timeout_s, call, args))


def _begin(nice: int) -> None:
    """Prepare a child: it stands back, ignores the terminal's Ctrl-C, and dies with the process it works for.

    What it works on may be hostile: it has no secrets in its environment, and when memory runs out it goes first.
    """
    os.nice(nice)
    for setting in [name for name in os.environ if name.startswith(SETTINGS)]:
        del os.environ[setting]
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    with suppress(OSError):  # not every kernel lets a process say so; the limit above holds all the same
        Path("/proc/self/oom_score_adj").write_text(OOM_FIRST)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for alarm in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(alarm, signal.SIG_DFL)
    threading.Thread(target=_die_with_owner, daemon=True).start()


def _die_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner is not None:
        wait([owner.sentinel])
        os._exit(1)


def _timed(timeout_s: float, call: Callable[..., T], args: tuple[object, ...]) -> T:
    """Run the call with alarms set: a native loop that never returns to Python is killed by them too."""
    signal.setitimer(signal.ITIMER_PROF, timeout_s)
    signal.setitimer(signal.ITIMER_REAL, timeout_s * STALLED)
    try:
        return call(*args)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
