"""A platform that loses everything, and what is done about it: the story's people, the operators' command, an axe."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from minio import Minio
from minio.deleteobjects import DeleteObject
from pymongo import MongoClient

from deploy.local.home import ROOT
from deploy.local.spawn import RunningStack

Json = dict[str, Any]
PREFIX = "pixera_"


@dataclass(frozen=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what it printed as JSON."""
        assert self.code in (0, 1), self.err
        return json.loads(self.out)


def command(home: Path, *arguments: str, **env: str) -> "subprocess.Popen[str]":
    """Begin a `pixera` command beside the stack of a home."""
    clean = {"PATH": "/usr/bin:/bin", "PIXERA_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env=clean | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def pixera(home: Path, *arguments: str, **env: str) -> Ran:
    """Run a `pixera` command beside the stack of a home."""
    running = command(home, *arguments, **env)
    out, err = await asyncio.to_thread(running.communicate, timeout=300)
    return Ran(running.returncode, out, err)


def wipe(env: Mapping[str, str]) -> None:
    """Destroy every database and every object of the platform, the proof and the keys of people included."""
    with database(env) as client:
        for name in client.list_database_names():
            if name.startswith(PREFIX):
                client.drop_database(name)
    store = objects(env)
    for bucket in store.list_buckets():
        names = [
            DeleteObject(each.object_name or "") for each in store.list_objects(bucket.name, recursive=True)
        ]
        assert not list(store.remove_objects(bucket.name, names))


def kill_once_it_overwrites(restoring: "subprocess.Popen[str]", env: Mapping[str, str]) -> None:
    """Kill a restore as soon as it has restored some, and not yet all."""
    deadline = time.monotonic() + 180
    with database(env) as client:
        while not client[f"{PREFIX}auth"]["users"].estimated_document_count():
            assert restoring.poll() is None, restoring.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)
    restoring.send_signal(signal.SIGKILL)
    restoring.wait()


def database(env: Mapping[str, str]) -> MongoClient[Json]:
    """Return a client of the stack's MongoDB."""
    return MongoClient(env["PIXERA_MONGO_URI"], uuidRepresentation="standard", tz_aware=True)


def objects(env: Mapping[str, str]) -> Minio:
    """Return a client of the stack's object store."""
    address = urlsplit(env["PIXERA_S3_ENDPOINT"]).netloc
    return Minio(address, env["PIXERA_S3_ACCESS_KEY"], env["PIXERA_S3_SECRET_KEY"], secure=False)


def books(env: Mapping[str, str]) -> tuple[int, int]:
    """Return the sum of all postings, which is 0, and the least balance of anybody."""
    with database(env) as client:
        billing = client[f"{PREFIX}billing"]
        postings = [p["credits"] for row in billing["ledger_entries"].find() for p in row["postings"]]
        available = [row["available"] for row in billing["balances"].find()]
    return sum(postings), min(available)


def certificates(stack: RunningStack) -> list[bytes]:
    """Return every certificate there is, in the chain's order."""
    with database(stack.env) as client:
        rows = client[f"{PREFIX}privacy"]["certificates"].find(sort=[("sequence", 1)])
        return [row["signed"] for row in rows]
