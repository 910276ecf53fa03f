"""The platform with seams for faults: every link through the proxy, small disks, clocks that jump, spare workers."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace

import psutil

from deploy.local import guard
from deploy.local.children import warm_up
from deploy.local.components import kafka
from deploy.local.console import Progress
from deploy.local.home import Home
from deploy.local.ports import FreePorts
from deploy.local.serve import WebProcess
from deploy.local.stack import SERVERS, Options, Stack
from deploy.local.supervisor import Program, Running
from tests.chaos import clock, disk, links, toxiproxy
from tests.chaos.control import Control
from tests.chaos.events import EventFile

LEFT = "left"
"""The moment that names the processes which outlived the stop."""
FACTORY = "tests.chaos.process:create_app"
DISKS = "PIXERA_CHAOS_DISKS"
"""Set by the rig when this process has a mount namespace of its own."""


class RiggedStack(Stack):
    """One platform under fault."""

    stopped_last = (*SERVERS, links.PROXY)

    def __init__(self, options: Options, home: Home, ports: Mapping[str, int], progress: Progress) -> None:
        self._held = FreePorts()
        self._helpers: set[int] = set()
        self._restarting: asyncio.Task[None] | None = None
        super().__init__(options, home, {**ports, **self._held.take(links.OFFSETS)}, progress)
        self._events = EventFile(home)
        self._control = Control(self._ports[links.CONTROL])
        self._control.on("start", self.start_worker)
        self._control.on("stop", self.stop_worker)
        self._control.on("fill", self.fill_disk)
        self._control.on("empty", self.empty_disk)

    async def up(self) -> None:
        """Return when every process is ready, the proxy first."""
        warm_up()
        self._helpers = {os.getpid(), *(child.pid for child in psutil.Process().children())}
        if DISKS in os.environ:
            disk.mount(self._home)
        proxy = toxiproxy.program(self._home, self._ports[links.PROXY], links.links(self._ports))
        await self._supervisor.start(proxy)
        await super().up()
        await self._control.open()

    async def down(self) -> None:
        """Stop everything, and say what did not go by itself: the guard would end it without a word."""
        await self._control.close()
        await super().down()
        left = set(guard.marked(os.environ[guard.MARK])) - self._helpers
        self._events.add(LEFT, " ".join(map(str, sorted(left))))

    async def start_worker(self, name: str) -> None:
        """One worker more of a service."""
        service, _, _ = name.partition("-")
        process = WebProcess(name, f"services.{service}.main:create_app", self._ports[name], ("worker",))
        await self._supervisor.start(self._program(process, self.env()))

    async def stop_worker(self, name: str, by: str) -> None:
        """Take it away again, by its signal's name."""
        await self._supervisor.stop(name, by=signal.Signals[by])
        self._state.update(self._supervisor.running.values())

    async def fill_disk(self, server: str) -> None:
        """No room for one server's data."""
        await asyncio.to_thread(disk.fill, self._home, server)

    async def empty_disk(self, server: str) -> None:
        """Room again, and what the server's operator would do then."""
        disk.empty(self._home, server)
        if server in disk.NEEDS_A_RESTART:  # not waited for: it is part of what the platform recovers from
            self._restarting = asyncio.create_task(self._supervisor.restart(server))

    def _program(self, process: WebProcess, env: Mapping[str, str]) -> Program:
        service, _, _ = process.name.partition("-")
        file = str(self._home.run / clock.FOLDER / process.name)
        rigged = replace(process, factory=FACTORY, arguments=(file, process.factory, *process.arguments))
        return super()._program(rigged, {**env, **links.told(service, self._ports)})

    def _kafka_listeners(self) -> Sequence[kafka.Listener]:
        return links.listeners(self._ports)

    def _gateway_ports(self) -> Mapping[str, int]:
        return links.gateway_ports(self._ports)

    def _on_ready(self, entry: Running) -> None:
        super()._on_ready(entry)
        self._events.add(
            "process-ready", entry.program.name, f"process {entry.pid}, {entry.restarts} restarts"
        )

    def _on_death(self, entry: Running, ending: str, delay: float) -> None:
        super()._on_death(entry, ending, delay)
        self._events.add("process-died", entry.program.name, ending)
