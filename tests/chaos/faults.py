"""What each kind of fault does to the rig, and how it is taken back. One that does not take is an error of ours."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from deploy.local.spawn import RunningStack
from tests.chaos import clock, control, links
from tests.chaos.disk import MIB
from tests.chaos.model import Fault, FaultFailed, Kind
from tests.chaos.toxiproxy import Toxiproxy

TAKES_S = 5.0
WORKER_STARTS_S, WORKER_STOPS_S, DISK_FILLS_S = 60.0, 30.0, 20.0
POLL_S = 0.02


class Injector(Protocol):
    """One kind of fault."""

    async def inject(self, fault: Fault) -> None:
        """Put it in. Raises: FaultFailed."""

    async def lift(self, fault: Fault) -> None:
        """Take it out."""


class Kill:
    """A process ends as by a crash; the supervisor starts it again."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack

    async def inject(self, fault: Fault) -> None:
        """SIGKILL; one that is down already stays so."""
        pid = self._stack.processes()[fault.target]["pid"]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        await _until(lambda: _state(pid) in {"", "Z"}, f"process {pid} lives on")

    async def lift(self, fault: Fault) -> None:
        """Nothing to do."""


class Freeze:
    """A process and all its children stand still, as under a debugger or a starved machine."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._frozen: dict[Fault, int] = {}

    async def inject(self, fault: Fault) -> None:
        """SIGSTOP to the process's whole group."""
        pid = self._frozen[fault] = self._stack.processes()[fault.target]["pid"]
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGSTOP)
        await _until(lambda: _state(pid) in {"T", "", "Z"}, f"process {pid} does not stand still")

    async def lift(self, fault: Fault) -> None:
        """SIGCONT to the group that was stopped, if it is still there."""
        with suppress(ProcessLookupError):
            os.killpg(self._frozen.pop(fault), signal.SIGCONT)


class Line:
    """A connection is slow, or cut in one of three ways."""

    def __init__(self, proxy: Toxiproxy) -> None:
        self._proxy = proxy

    async def inject(self, fault: Fault) -> None:
        """Break the link as the fault's parameters say."""
        if fault.kind is Kind.SLOW:
            told = {name: int(value) for name, value in fault.parameters.items()}
            await self._proxy.slow(fault.target, **told)
        else:
            await self._ways()[str(fault.parameters["how"])](fault.target)
        if not await self._proxy.toxics(fault.target):
            raise FaultFailed(f"nothing is wrong with {fault.target}")

    async def lift(self, fault: Fault) -> None:
        """Mend the link."""
        await self._proxy.mend(fault.target)

    def _ways(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        return {"reset": self._proxy.reset, "swallow": self._proxy.swallow, "refuse": self._proxy.refuse}


class FullDisk:
    """A server can store nothing more."""

    def __init__(self, port: int, env: Mapping[str, str]) -> None:
        self._port, self._env = port, env

    async def inject(self, fault: Fault) -> None:
        """Fill its disk. MongoDB is made to feel it now, and not at its next checkpoint, within a minute."""
        await control.ask(self._port, "fill", fault.target, within_s=DISK_FILLS_S)
        if fault.target == "mongod":
            await _write_until_refused(self._env["PIXERA_MONGO_URI"])

    async def lift(self, fault: Fault) -> None:
        """Make room."""
        await control.ask(self._port, "empty", fault.target, within_s=DISK_FILLS_S)


class Jump:
    """The wall clock of one process is wrong, until it is set right."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack

    async def inject(self, fault: Fault) -> None:
        """Set it off."""
        if not await self._set(fault, float(fault.parameters["offset_s"])):
            raise FaultFailed(f"the clock of {fault.target} does not jump")

    async def lift(self, fault: Fault) -> None:
        """Set it right; a process that is down finds it right when it starts."""
        await self._set(fault, 0)

    async def _set(self, fault: Fault, offset_s: float) -> bool:
        file: Path = self._stack.home.run / clock.FOLDER / fault.target
        pid = self._stack.processes()[fault.target]["pid"]
        return await clock.jump(file, pid, offset_s, TAKES_S)


class Rebalance:
    """A worker more, and then one less: each time its service's partitions are dealt out anew."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def inject(self, fault: Fault) -> None:
        """Start it and wait until it works."""
        await control.ask(self._port, "start", fault.target, within_s=WORKER_STARTS_S)

    async def lift(self, fault: Fault) -> None:
        """Stop it, politely or not."""
        how = str(fault.parameters["stop"])
        await control.ask(self._port, "stop", fault.target, how, within_s=WORKER_STOPS_S)


def injectors(stack: RunningStack, proxy: Toxiproxy) -> dict[Kind, Injector]:
    """What does each kind of fault on this stack."""
    port = stack.ports[links.CONTROL]
    line = Line(proxy)
    return {
        Kind.KILL: Kill(stack),
        Kind.FREEZE: Freeze(stack),
        Kind.SLOW: line,
        Kind.CUT: line,
        Kind.FULL_DISK: FullDisk(port, stack.env),
        Kind.CLOCK: Jump(stack),
        Kind.REBALANCE: Rebalance(port),
    }


async def _write_until_refused(uri: str) -> None:
    """Have MongoDB write more to its files than there is room for: its journal has its room. It refuses, or ends."""
    async with AsyncMongoClient[dict[str, Any]](uri, timeoutMS=TAKES_S * 1000) as client:
        with suppress(PyMongoError):
            while True:
                await client.chaos.ballast.insert_one({"bytes": os.urandom(MIB)})
                await client.admin.command("fsync")


async def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + TAKES_S
    while not holds():
        if time.monotonic() > deadline:
            raise FaultFailed(otherwise)
        await asyncio.sleep(POLL_S)


def _state(pid: int) -> str:
    """A process's state as the kernel writes it: T for stopped, Z for ended, nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
