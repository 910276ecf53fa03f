"""Which process listens where: fixed ports for `make run`, a block of free ones for every other stack."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import psutil

from deploy.local.errors import StackError

HOST = "127.0.0.1"
GATEWAY = 8080

# Away from the servers' own default ports: a MongoDB that already runs here is not in the way.
OFFSETS = {
    "gateway_admin": 1,
    "mongo": 17,
    "smtp": 25,
    "desk": 26,
    "s3": 33,
    "s3_grpc": 34,
    "s3_master": 35,
    "s3_master_grpc": 36,
    "s3_volume": 37,
    "s3_volume_grpc": 38,
    "s3_filer": 39,
    "s3_filer_grpc": 40,
    "s3_admin": 41,
    "s3_admin_grpc": 42,
    "kafka": 44,
    "kafka_controller": 45,
    "pay": 46,
    "auth-api": 47,
    "auth-worker": 48,
    "gallery-api": 49,
    "gallery-worker": 50,
    "generation-api": 51,
    "generation-worker": 52,
    "billing-api": 53,
    "billing-worker": 54,
    "privacy-api": 55,
    "privacy-worker": 56,
    "prometheus": 57,
}
FREE_OFFSETS = {"gateway": 0} | OFFSETS
MORE_WORKERS = 60  # offset of the second generation worker; the others follow
BLOCK = 80
LARGEST = 65_535
FIXED_BASE = 18_000
# Below the ports the kernel gives to outgoing connections, which would otherwise take ours at any moment.
FREE_RANGE = range(20_000, 32_000, BLOCK)


def fixed_ports() -> dict[str, int]:
    """The ports of `make run`; PIXERA_PORT_GATEWAY=… and its like move one.

    Raises: StackError: such a setting is not a port.
    """
    ports = {"gateway": GATEWAY} | {name: FIXED_BASE + offset for name, offset in OFFSETS.items()}
    return {name: _moved(name, port) for name, port in ports.items()}


def public_url(ports: Mapping[str, int]) -> str:
    """Where people reach the gateway: PIXERA_PUBLIC_URL where something stands before it, else its own address."""
    return os.environ.get("PIXERA_PUBLIC_URL", f"http://{HOST}:{ports['gateway']}")


def _moved(name: str, port: int) -> int:
    setting = f"PIXERA_PORT_{name.upper().replace('-', '_')}"
    value = os.environ.get(setting, str(port))
    if not value.isdecimal() or not 0 < int(value) <= LARGEST:
        raise StackError(f"{setting}={value} is not a port: give a number from 1 to 65535.")
    return int(value)


class FreePorts:
    """A block of ports that no other stack of this machine has, held until the process ends."""

    def __init__(self) -> None:
        self._lock: IO[str] | None = None

    def take(self, offsets: Mapping[str, int] = FREE_OFFSETS) -> dict[str, int]:
        """The ports at these offsets of the block, by name. Raises: StackError: every block is in use."""
        bases = list(FREE_RANGE)
        random.shuffle(bases)
        for base in bases:
            ports = {name: base + offset for name, offset in offsets.items()}
            if self._hold(base) and all(is_free(port) for port in ports.values()):
                return ports
        raise StackError("No block of free ports between 20000 and 32000: stop some of the stacks that run.")

    def _hold(self, base: int) -> bool:
        folder = Path(tempfile.gettempdir()) / f"pixera-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = (folder / str(base)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        if self._lock:
            self._lock.close()
        self._lock = lock
        return True


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def who_listens(port: int) -> str:
    """The process that has a port, as well as this user may see it."""
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
            continue
        if connection.laddr.port == port:
            return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another user's process"


def check_free(ports: Mapping[str, int]) -> None:
    """Raises: StackError: a port is taken; says by what, and how to go on."""
    for name, port in ports.items():
        if not is_free(port):
            setting = f"PIXERA_PORT_{name.upper().replace('-', '_')}"
            raise StackError(
                f"Port {port} ({name}) is taken by {who_listens(port)}. "
                f"Stop that, or use another port: {setting}={port + 1_000} make run"
            )
