"""What must hold before anything is started; each failure says what to do."""

import fcntl
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from deploy.local.components import kafka_dist, mongod
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.ports import check_free

SUPPORTED = ("linux", "x86_64")
SERVER_SETTINGS = ("PIXERA_KAFKA_BOOTSTRAP", "PIXERA_MONGO_URI", "PIXERA_S3_ENDPOINT")


def check_platform() -> None:
    """Raises: StackError: the servers' programs are not made for this machine."""
    here = (sys.platform, platform.machine())
    if here != SUPPORTED:
        raise StackError(
            f"The embedded servers run on Linux x86-64, and this is {here[0]} {here[1]}. "
            "`docker compose up --wait` starts the same servers from public images (compose.yaml); "
            f"its head says which settings to export ({', '.join(SERVER_SETTINGS)})."
        )


def check_installed(needed: Mapping[str, bool]) -> None:
    """Raises: StackError: a server was not downloaded.

    Args: needed: whether this stack starts `kafka` and `mongod` itself.
    """
    if needed["mongod"] and not mongod.BINARY.exists():
        raise StackError("MongoDB's server is not here: run `make setup`.")
    if needed["kafka"] and not kafka_dist.FORMATTED.exists():
        raise StackError("Kafka is not here: run `make setup`.")


class OneStackPerHome:
    """Held for as long as this stack runs."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock: IO[str] | None = None

    def take(self) -> None:
        """Raises: StackError: another launcher runs in this home."""
        file: Path = self._home.run / "launcher.pid"
        lock = file.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            other = lock.read().strip()
            raise StackError(
                f"Pixera already runs in {self._home.root} (process {other}). Stop it, or use another --home."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock


def check_ports(ports: Mapping[str, int], started: Mapping[str, bool]) -> None:
    """Raises: StackError: a port of something this stack starts is taken.

    Args: started: by component, whether this stack starts it; others' ports do not matter.
    """
    check_free({name: port for name, port in ports.items() if started.get(_owner(name), True)})


def _owner(port_name: str) -> str:
    """The component that opens a port."""
    for prefix, owner in (("kafka", "kafka"), ("mongo", "mongod"), ("s3", "s3"), ("gateway", "gateway")):
        if port_name.startswith(prefix):
            return owner
    return "desk" if port_name in {"smtp", "desk"} else "services"
