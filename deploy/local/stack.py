"""Brings the whole platform up in the right order, and down again."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local import chores, keys, services
from deploy.local.children import fork, warm_up
from deploy.local.components import desk, envoy, kafka, mongod, s3
from deploy.local.console import Progress
from deploy.local.errors import StackError
from deploy.local.gateway import GatewaySettings
from deploy.local.home import Home, last_lines
from deploy.local.ports import HOST
from deploy.local.serve import WebProcess
from deploy.local.state import StateFile
from deploy.local.supervisor import Listener, Program, Running, Supervisor, together
from deploy.observe import prometheus

SERVERS = ("kafka", "mongod", "s3")
SETTINGS = {"kafka": "PIXERA_KAFKA_BOOTSTRAP", "mongod": "PIXERA_MONGO_URI", "s3": "PIXERA_S3_ENDPOINT"}


@dataclass(frozen=True)
class Options:
    """What to start.

    Args:     only: names of services; None for all. with_services: False leaves the gateway out too. observe: a
              Prometheus that watches.
    """

    with_services: bool = True
    only: tuple[str, ...] | None = None
    observe: bool = False


def starts(options: Options) -> dict[str, bool]:
    """By component, whether this stack starts it: an existing server is used where its setting is given."""
    own = {name: SETTINGS[name] not in os.environ for name in SERVERS}
    return own | {"desk": True, "gateway": options.with_services, "services": options.with_services}


class Stack:
    """One running platform."""

    stopped_last: tuple[str, ...] = SERVERS
    """What services need to the end."""

    def __init__(self, options: Options, home: Home, ports: Mapping[str, int], progress: Progress) -> None:
        self._options = options
        self._home = home
        self._ports = ports
        self._progress = progress
        self._secrets = keys.load(home)
        self._starts = starts(options)
        self._state = StateFile(home)
        self._state.remove()
        self._supervisor = Supervisor(Listener(self._on_ready, self._on_death))

    @property
    def gateway(self) -> str | None:
        """Where everything is reached; None without services."""
        return f"http://{HOST}:{self._ports['gateway']}" if self._options.with_services else None

    async def up(self) -> None:
        """Return when every process is ready.

        Raises: StackError: something cannot be started; the message has its log's last lines.
        """
        warm_up()
        wanted = self._web_processes()
        await together(self._kafka(), self._mongo(), self._objects(), self._desk(), self._gateway())
        self._progress.begin(*(process.name for process in wanted))
        env = self.env()
        await self._supervisor.start(*(self._program(each, env) for each in wanted))
        if self._options.observe:
            self._progress.begin(prometheus.NAME)
            await self._supervisor.start(prometheus.program(self._home, self._ports))
        self._state.publish(self.gateway, self._ports, env)
        self._state.update(self._supervisor.running.values())

    async def stay_up(self, until: asyncio.Event) -> None:
        """Keep everything running."""
        await self._supervisor.while_all_is_well(until.wait())

    async def down(self) -> None:
        """Stop services first, then what they need."""
        self._state.remove()
        servers = {"envoy", *self.stopped_last}
        await self._supervisor.stop(*(name for name in self._supervisor.running if name not in servers))
        await self._supervisor.stop("envoy")
        await self._supervisor.stop(*self.stopped_last)

    def env(self) -> dict[str, str]:
        """What a process needs to know to be part of this platform."""
        own = {
            "PIXERA_KAFKA_BOOTSTRAP": kafka.bootstrap(self._ports["kafka"]),
            "PIXERA_MONGO_URI": mongod.uri(self._ports["mongo"]),
            "PIXERA_S3_ENDPOINT": s3.endpoint(self._ports["s3"]),
        }
        servers = {setting: os.environ.get(setting, value) for setting, value in own.items()}
        env = services.settings(self._ports, self._secrets, servers)
        env["PIXERA_BACKUP_DIR"] = str(self._home.backups)
        env["PIXERA_BACKUP_VAULT_DIR"] = str(self._home.vault_backups)
        if not (self._starts["s3"] and self._options.with_services):  # the gateway leads to our own S3 only
            endpoint = servers["PIXERA_S3_ENDPOINT"]
            env["PIXERA_S3_PUBLIC_ENDPOINT"] = os.environ.get("PIXERA_S3_PUBLIC_ENDPOINT", endpoint)
        return env

    def _program(self, process: WebProcess, env: Mapping[str, str]) -> Program:
        """How a process of the services is run."""
        return services.program(process, self._home, env)

    def _web_processes(self) -> list[WebProcess]:
        if not self._options.with_services:
            return []
        wanted = services.processes(self._ports, self._options.only)
        services.check_written(wanted)
        return wanted

    async def _kafka(self) -> None:
        if self._starts["kafka"]:
            self._progress.begin("kafka")
            ports = self._ports["kafka"], self._ports["kafka_controller"]
            await self._supervisor.start(kafka.program(self._home, *ports, self._kafka_listeners()))
        await self._do("topics", self.env()["PIXERA_KAFKA_BOOTSTRAP"])

    async def _mongo(self) -> None:
        if self._starts["mongod"]:
            self._progress.begin("mongod")
            await self._supervisor.start(mongod.program(self._home, self._ports["mongo"]))
            await self._do("replica-set", self._ports["mongo"], mongod.REPLICA_SET)

    async def _objects(self) -> None:
        access_key, secret_key = self._secrets["PIXERA_S3_ACCESS_KEY"], self._secrets["PIXERA_S3_SECRET_KEY"]
        if self._starts["s3"]:
            self._progress.begin("s3")
            await self._supervisor.start(s3.program(self._home, self._ports, access_key, secret_key))
        endpoint = self.env()["PIXERA_S3_ENDPOINT"]
        await self._do("buckets", endpoint, access_key, secret_key, s3.BUCKETS)

    async def _desk(self) -> None:
        self._progress.begin(desk.NAME)
        process = desk.process(self._home, self._ports)
        await self._supervisor.start(services.program(process, self._home, {}))

    async def _gateway(self) -> None:
        if self._starts["gateway"]:
            self._progress.begin("envoy")
            settings = GatewaySettings.of(
                self._gateway_ports(), str(self._home.logs / "gateway.access.jsonl")
            )
            await self._supervisor.start(envoy.program(self._home, settings))

    def _kafka_listeners(self) -> Sequence[kafka.Listener]:
        """Kafka's doors besides the usual one."""
        return ()

    def _gateway_ports(self) -> Mapping[str, int]:
        """Where the gateway listens, and where it finds the services."""
        return self._ports

    async def _do(self, chore: str, *arguments: Any) -> None:
        """Do a chore in a child. Raises: StackError: it failed."""
        log = self._home.log(f"setup-{chore}")
        child = await fork(chores.run, chore, log, *arguments)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            child.send(signal.SIGKILL)
            raise
        if code != 0:
            raise StackError(f"Setting up {chore} failed. The end of {log}:\n{last_lines(log)}")

    def _on_ready(self, entry: Running) -> None:
        self._progress.ready(entry)
        self._state.update(self._supervisor.running.values())

    def _on_death(self, entry: Running, ending: str, delay: float) -> None:
        self._progress.died(entry, ending, delay)
        self._state.update(self._supervisor.running.values())
