"""The rig: a whole platform of its own, with faults that can be put in and taken out."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.home import Home
from deploy.local.spawn import RunningStack, started
from tests.chaos import disk, links, toxiproxy
from tests.chaos.events import EventFile
from tests.chaos.faults import injectors
from tests.chaos.memory import strays
from tests.chaos.model import Fault, FaultFailed, Moment, Process
from tests.chaos.process import DEFECT
from tests.chaos.stack import DISKS
from tests.chaos.toxiproxy import Toxiproxy

LAUNCHER = (sys.executable, "-m", "tests.chaos.launch")


class LocalRig:
    """See `tests.chaos.model.Rig`."""

    def __init__(self, stack: RunningStack, proxy: Toxiproxy, *, has_disks: bool) -> None:
        self._stack = stack
        self._events = EventFile(stack.home)
        self._own: list[Moment] = []
        self._injectors = injectors(stack, proxy)
        self._present: list[Fault] = []
        self.has_disks = has_disks

    @property
    def gateway(self) -> str:
        return self._stack.gateway

    @property
    def env(self) -> Mapping[str, str]:
        return self._stack.env

    @property
    def home(self) -> Home:
        return self._stack.home

    @property
    def ports(self) -> Mapping[str, int]:
        return self._stack.ports

    @property
    def log(self) -> list[Moment]:
        return sorted([*self._own, *self._events.read()], key=lambda moment: moment.monotonic)

    async def inject(self, fault: Fault) -> None:
        self._present.append(fault)
        self._say("injecting", fault)
        await self._injectors[fault.kind].inject(fault)
        self._say("injected", fault)
        if not fault.for_s:
            self._present.remove(fault)

    async def lift(self, fault: Fault) -> None:
        if fault in self._present:
            await self._injectors[fault.kind].lift(fault)
            self._present.remove(fault)
            self._say("lifted", fault)

    async def lift_all(self) -> None:
        failed: list[FaultFailed] = []
        for fault in self._present[::-1]:
            try:
                await self.lift(fault)
            except FaultFailed as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def processes(self) -> dict[str, Process]:
        return {name: Process(**told) for name, told in self._stack.processes().items()}

    def strays(self) -> set[int]:
        """The rig's processes that belong to none which runs: left behind by one that was killed."""
        return strays(self._stack.launcher.pid, self.processes())

    def _say(self, what: str, fault: Fault) -> None:
        told = " ".join(f"{key}={value}" for key, value in fault.parameters.items())
        self._own.append(Moment(what, fault.name, told))


@asynccontextmanager
async def rig(home: Path, defect: str | None = None) -> AsyncIterator[LocalRig]:
    """Start a rig in an empty folder, and stop it at the end. Blocks the loop while it starts and stops.

    Args:     defect: the guarantee that its services break, by its name in `tests.chaos.defects`.
    Raises:   StackError: it does not come up.
    """
    toxiproxy.install()
    has_disks = disk.possible()
    program = (*disk.NAMESPACE, *LAUNCHER) if has_disks else LAUNCHER
    env = {DISKS: "1"} if has_disks else {}
    with started(home, env=env | ({DEFECT: defect} if defect else {}), program=program) as stack:
        proxy = Toxiproxy(stack.ports[links.PROXY])
        rigged = LocalRig(stack, proxy, has_disks=has_disks)
        try:
            yield rigged
            await rigged.lift_all()  # what stands still would not hear that it has to stop
        finally:
            await proxy.close()
