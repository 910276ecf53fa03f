"""Starts programs, waits until they are ready, starts again what dies, and stops all in order."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.children import Child
from deploy.local.errors import StackError
from deploy.local.home import last_lines

POLL = 0.03  # seconds between the first looks at whether it is ready; later ones are further apart
SLOWEST_POLL = 0.2
FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
HEALTHY_AFTER = 30.0  # seconds of life after which the next death is a first one again
TRIES_TO_START = 3


@dataclass(frozen=True)
class Program:
    """One thing to keep running.

    Args: log: where its output goes. ready_within: seconds. stops_within: seconds from SIGTERM to SIGKILL.
    """

    name: str
    start: Callable[[], Awaitable[Child]]
    is_ready: Callable[[], Awaitable[bool]]
    log: Path
    ready_within: float = 120.0
    stops_within: float = 10.0


@dataclass
class Running:
    """What is known of a program that was started."""

    program: Program
    pid: int = 0
    restarts: int = -1
    took: float = 0.0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    child: Child | None = None
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class Listener:
    """Who hears what happens: the terminal, and the file that says what runs."""

    ready: Callable[[Running], None]
    died: Callable[[Running, str, float], None]


class Supervisor:
    """Keeps a set of programs running."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.running: dict[str, Running] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, *programs: Program) -> None:
        """Start programs at once, and return when all are ready.

        Raises: StackError: one of them cannot be started; the message ends with its log's last lines.
        """
        started = [self._begin(program) for program in programs]
        await self.while_all_is_well(_all_ready(started))

    async def while_all_is_well(self, wanted: Coroutine[None, None, object]) -> None:
        """Await `wanted`. Raises: StackError: a program cannot be started meanwhile."""
        task = asyncio.create_task(wanted)
        watched: set[asyncio.Future[Any]] = {task, self._failure}
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if self._failure.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._failure.result()
        await task

    async def stop(self, *names: str, by: signal.Signals = signal.SIGTERM) -> None:
        """Ask these programs to end, all at once, and kill what does not in its time; they are not known any more."""
        entries = [self.running[name] for name in names if name in self.running]
        await asyncio.gather(*(self._end(entry, by) for entry in entries))
        for entry in entries:
            del self.running[entry.program.name]

    async def restart(self, name: str) -> None:
        """Ask a program to end, and kill it where it does not in its time; it is started as after any death."""
        entry = self.running[name]
        if (child := entry.child) is None:
            return
        child.send(signal.SIGTERM)
        await asyncio.sleep(entry.program.stops_within)
        if entry.child is child:
            child.send(signal.SIGKILL)

    def _begin(self, program: Program) -> Running:
        entry = self.running[program.name] = Running(program)
        entry.task = asyncio.create_task(self._keep_running(entry), name=program.name)
        entry.task.add_done_callback(self._note_failure)
        return entry

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._failure.done():
            self._failure.set_exception(error)

    async def _keep_running(self, entry: Running) -> None:
        delay, failures = FIRST_DELAY, 0
        while not entry.stop.is_set():
            born = time.monotonic()
            ending = await self._live(entry, born)
            if entry.stop.is_set():
                return
            failures = 0 if entry.ready.is_set() else failures + 1
            if failures == TRIES_TO_START:
                raise StackError(_cannot_start(entry, ending))
            if time.monotonic() - born > HEALTHY_AFTER:
                delay = FIRST_DELAY
            self._listener.died(entry, ending, delay)
            await asyncio.wait([asyncio.ensure_future(entry.stop.wait())], timeout=delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _live(self, entry: Running, born: float) -> str:
        """One life of a program, from its start to its end; returns how it ended."""
        child = entry.child = await entry.program.start()
        entry.pid = child.pid
        entry.restarts += 1
        ended = asyncio.create_task(child.wait())
        if entry.stop.is_set():  # asked to stop while it was being started
            child.send(signal.SIGKILL)
        is_up = await self._until_ready(entry.program, ended)
        if is_up:
            entry.took = time.monotonic() - born
            entry.ready.set()
            self._listener.ready(entry)
        elif not ended.done():
            child.send(signal.SIGKILL)
            await ended
            return f"was not ready within {entry.program.ready_within:.0f} s"
        return _ending(await ended)

    async def _until_ready(self, program: Program, ended: asyncio.Task[int]) -> bool:
        deadline, pause = time.monotonic() + program.ready_within, POLL
        while not ended.done() and time.monotonic() < deadline:
            if await program.is_ready():
                return not ended.done()
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, SLOWEST_POLL)
        return False

    async def _end(self, entry: Running, by: signal.Signals) -> None:
        entry.stop.set()
        if entry.task is None:
            return
        if entry.child is not None:
            entry.child.send(by)
        done, _ = await asyncio.wait({entry.task}, timeout=entry.program.stops_within)
        if not done and entry.child is not None:
            entry.child.send(signal.SIGKILL)
            await asyncio.wait({entry.task}, timeout=entry.program.stops_within)


async def _all_ready(entries: list[Running]) -> None:
    for entry in entries:
        await entry.ready.wait()


async def together(*parts: Coroutine[None, None, None]) -> None:
    """Do these at once; when one fails the others are given up.

    Raises: StackError: the first one's failure, by itself rather than in a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except* StackError as failures:
        raise failures.exceptions[0] from None


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended by itself with code {code}"


def _cannot_start(entry: Running, ending: str) -> str:
    name, log = entry.program.name, entry.program.log
    return f"{name} does not start: it {ending}. The end of {log}:\n{last_lines(log)}"
