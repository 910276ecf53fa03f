"""Counters of a running platform: what MongoDB, the object store, Kafka and the processors have done so far."""

import re
from collections import Counter
from dataclasses import dataclass

import httpx
import psutil

from bench.people import Stores
from deploy.local.ports import HOST
from deploy.local.spawn import RunningStack

SERVICES = ("auth", "gallery", "generation", "billing", "privacy")
ROLES = ("api", "worker")
COMMANDS = (
    "find",
    "insert",
    "update",
    "delete",
    "aggregate",
    "findAndModify",
    "getMore",
    "commitTransaction",
)
S3_CALLS = re.compile(r'pixera_storage_seconds_count\{operation="(\w+)",outcome="\w+"\} (\S+)')


@dataclass(frozen=True)
class Reading:
    """What the meters show, by name."""

    values: Counter[str]

    def since(self, before: "Reading") -> Counter[str]:
        """Return what came on top."""
        grown = Counter(self.values)
        grown.subtract(before.values)
        return grown


class Meters:
    """Reads the counters of every server and process of a platform."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack, self._stores = stack, Stores(stack)

    def read(self) -> Reading:
        """Return what all meters show at this moment."""
        return Reading(self._mongo() + self._s3() + self._kafka() + self._cpu())

    def _mongo(self) -> Counter[str]:
        """Return the commands that MongoDB took and the bytes that the services' rows have."""
        client = self._stores.mongo
        status = client.admin.command("serverStatus")["metrics"]
        taken = {f"mongo {name}": status["commands"][name]["total"] for name in COMMANDS}
        taken |= {f"mongo rows {name}": count for name, count in status["document"].items()}
        sizes = [client[each].command("dbStats") for each in client.list_database_names() if _is_ours(each)]
        taken["mongo bytes"] = int(sum(size["dataSize"] + size["indexSize"] for size in sizes))
        return Counter(taken)

    def _s3(self) -> Counter[str]:
        """Return the calls of the services' S3 clients, by their own metric, and the bytes that are stored."""
        calls: Counter[str] = Counter()
        for name in (f"{service}-{role}" for service in SERVICES for role in ROLES):
            page = httpx.get(f"http://{HOST}:{self._stack.ports[name]}/metrics", timeout=10).text
            for operation, count in S3_CALLS.findall(page):
                calls[f"s3 {operation}"] += int(float(count))
        buckets = self._stores.s3.list_buckets()
        objects = (self._stores.s3.list_objects(each.name, recursive=True) for each in buckets)
        calls["s3 bytes"] = sum(found.size or 0 for each in objects for found in each)
        return calls

    def _kafka(self) -> Counter[str]:
        """Return the bytes that each partition's log has, the consumers' own offsets apart."""
        bytes_: Counter[str] = Counter()
        for log in (self._stack.home.data / "kafka").glob("*/*.log"):
            internal = log.parent.name.startswith("__")
            bytes_["kafka bytes of offsets" if internal else "kafka bytes"] += log.stat().st_size
        return bytes_

    def _cpu(self) -> Counter[str]:
        """Return the milliseconds of processor time by process, its children included."""
        spent: Counter[str] = Counter()
        for name, process in self._stack.processes().items():
            spent[f"cpu {name}"] = sum(map(_milliseconds, _family(process["pid"])))
        return spent


def _is_ours(database: str) -> bool:
    return database.startswith("pixera_")


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _milliseconds(process: psutil.Process) -> int:
    times = process.cpu_times()
    return int((times.user + times.system) * 1_000)
