"""MongoDB as a replica set of one, because outbox and inbox are transactions."""

from functools import partial
from pathlib import Path

from deploy.local.children import execute
from deploy.local.home import ROOT, Home
from deploy.local.ports import HOST
from deploy.local.probe import listens
from deploy.local.supervisor import Program

REPLICA_SET = "rs0"
BINARY = ROOT / ".tools" / "mongod" / "fiftyone" / "db" / "bin" / "mongod"
LIBCURL = ROOT / ".tools" / "libcurl" / "pycurl.libs"
CACHE_GIB = 0.25
TUNING = (
    *("--wiredTigerCacheSizeGB", str(CACHE_GIB), "--oplogSize", "512", "--nounixsocket", "--quiet"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    # A slow command would be logged with its values, and those are personal.
    *("--slowOpSampleRate", "0"),
    # A process killed inside a transaction leaves its rows locked until the server gives up: after 60 to 90 s,
    # untold. Told so, it looks every 2.5 s, and a killed step goes on within 10 s of its process's being back.
    *("--setParameter", "transactionLifetimeLimitSeconds=5"),
)


def uri(port: int) -> str:
    """How clients reach it."""
    return f"mongodb://{HOST}:{port}/?replicaSet={REPLICA_SET}"


def program(home: Home, port: int) -> Program:
    """The server, its data in `<home>/data/mongo`."""
    data = home.data / "mongo"
    data.mkdir(exist_ok=True)
    command: list[str | Path] = [
        BINARY,
        *("--replSet", REPLICA_SET, "--bind_ip", HOST, "--port", str(port), "--dbpath", data),
        *TUNING,
    ]
    log = home.log("mongod")
    start = partial(execute, command, log=log, cwd=home.root, env=libraries())
    return Program("mongod", start, partial(listens, port), log)


def libraries() -> dict[str, str]:
    """The one library that a bare Debian lacks, from where `make setup` put it."""
    return {"LD_LIBRARY_PATH": str(LIBCURL)} if LIBCURL.exists() else {}
