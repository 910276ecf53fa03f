"""The two kinds of child process: a server that is executed, and a Python function forked from a warm parent."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import forkserver, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from deploy.local.lifeline import die_with_parent

_forkserver = get_context("forkserver")


class Child(Protocol):
    """A running child process."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int:
        """Return the exit code when it has ended; negative for the signal that ended it."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has already ended."""


class ServerChild:
    """A server's own program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


async def execute(
    command: Sequence[str | Path], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None
) -> ServerChild:
    """Start a server, its output appended to `log`, in a session of its own so that Ctrl-C is ours alone."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(part) for part in command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    return ServerChild(process)


class ForkedChild:
    """A Python function in a process of its own."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    async def wait(self) -> int:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        sentinel = self._process.sentinel
        loop.add_reader(sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(sentinel)
        self._process.join()
        self._end_its_children()
        return self._process.exitcode or 0

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._process.exitcode is None:
                os.kill(self.pid, number)

    def _end_its_children(self) -> None:
        """A killed service leaves its process pool behind, in the session it led."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def warm_up() -> None:
    """Start the parent of all services, which imports what they share while the servers start.

    Called on the main thread: the kernel ends the parent with the thread that started it.
    """
    _forkserver.set_forkserver_preload(["deploy.local.warm"])
    forkserver.ensure_running()


async def fork(target: Callable[..., Any], *args: Any) -> ForkedChild:
    """Run `target(*args)` in a new process forked from the warm parent."""
    warm_up()
    process = _forkserver.Process(target=target, args=args)
    starting = asyncio.ensure_future(asyncio.to_thread(process.start))  # blocks while the parent imports
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:  # nobody will know of it: it must not live on
        await starting
        process.kill()
        raise
    return ForkedChild(process)


def enter(title: str, log: Path, env: Mapping[str, str]) -> None:
    """Make a freshly forked process its own: session, lifeline, output, environment and title."""
    import setproctitle  # noqa: PLC0415  in the forked process only

    os.setsid()
    die_with_parent(os.getppid())
    with log.open("ab", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.update(env)
    setproctitle.setproctitle(f"pixera: {title}")
