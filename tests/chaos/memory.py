"""Whether the rig's processes grow, and whether any of them is nobody's."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.local import guard
from libs.common.processes import cores
from tests.chaos.model import Process, Violation

GROWTH_MIB = 64
"""What a process may add between its rig's third seed and its last. Measured: services add 5 to 15 MiB in that time,
the JVM and mongod up to their limits of 256 MiB, which they are allowed. A loop that keeps each event it saw, or a
client for each request, adds more than this in a few thousand requests."""
FAMILY = 5 + cores()
"""How many processes one may be of: itself, the server that forks its pool and its tracker of resources, the pool's
children, one that is being replaced, and one that runs alone what killed another."""
LIMITED = {"kafka": 600, "mongod": 700, "s3": 600}
"""MiB in all for those that fill a cache of a fixed size before they are flat."""

Sizes = dict[tuple[str, int], dict[int, float]]
"""MiB by name and pid of a process, and in it by its own pid and its children's."""


def measured(processes: Mapping[str, Process]) -> Sizes:
    """Return the proportional memory of each process and of its children."""
    families = {(name, process.pid): _family(process.pid) for name, process in processes.items()}
    return {process: {pid: _pss(pid) for pid in family} for process, family in families.items()}


def growth(first: Sizes, last: Sizes) -> dict[str, float]:
    """Return what each process that lived through, and those of its children that did, have added, in MiB.

    A pool starts its children as they are needed, one maybe late: that is no growth, and their number has a bound.
    """
    return {key[0]: _added(first[key], last[key]) for key in first.keys() & last.keys()}


def violations(first: Sizes, last: Sizes) -> list[Violation]:
    """Say which process has grown beyond the bound, or has more children than a pool is of."""
    grown = [
        (name, f"{added:+.0f} MiB")
        for name, added in growth(first, last).items()
        if name not in LIMITED and added > GROWTH_MIB
    ]
    large = [
        (name, f"{sum(sizes.values()):.0f} MiB")
        for (name, _), sizes in last.items()
        if sum(sizes.values()) > LIMITED.get(name, float("inf"))
    ]
    many = [(name, f"{len(sizes)} processes") for (name, _), sizes in last.items() if len(sizes) > FAMILY]
    return [Violation("memory-flat", name, detail) for name, detail in grown + large + many]


def _added(first: Mapping[int, float], last: Mapping[int, float]) -> float:
    return sum(last[pid] - first[pid] for pid in first.keys() & last.keys())


def strays(launcher: int, processes: Mapping[str, Process]) -> set[int]:
    """Return the rig's processes that belong to none which runs: left behind by one that was killed."""
    alive = {process.pid for process in processes.values()}
    own = {launcher, *(child.pid for child in psutil.Process(launcher).children())}
    return {pid for pid in _marked(alive) if pid not in own and _session(pid) not in alive | own}


def _marked(alive: set[int]) -> set[int]:
    """Every process with the mark that the launcher gave its children."""
    for pid in alive:
        with suppress(psutil.Error, KeyError):
            return set(guard.marked(psutil.Process(pid).environ()[guard.MARK]))
    return set()


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _pss(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (OSError, ProcessLookupError):
        return 0.0
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return pid
