"""Whether the rig's processes grow, and whether any of them is nobody's."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.local import guard
from tests.chaos.model import Process, Violation

GROWTH_MIB = 64
"""What a process may add between its rig's third seed and its last. Measured: services add 5 to 15 MiB in that time,
the JVM and mongod up to their limits of 256 MiB, which they are allowed. A loop that keeps each event it saw, or a
client for each request, adds more than this in a few thousand requests."""
LIMITED = {"kafka": 600, "mongod": 700, "s3": 600}
"""MiB in all for those that fill a cache of a fixed size before they are flat."""


def measured(processes: Mapping[str, Process]) -> dict[tuple[str, int], float]:
    """Return the proportional memory in MiB of each process with its children, by name and pid."""
    return {(name, process.pid): sum(map(_pss, _family(process.pid))) for name, process in processes.items()}


def growth(first: Mapping[tuple[str, int], float], last: Mapping[tuple[str, int], float]) -> dict[str, float]:
    """Return what each process that lived through has added, in MiB."""
    return {key[0]: last[key] - first[key] for key in first.keys() & last.keys()}


def violations(
    first: Mapping[tuple[str, int], float], last: Mapping[tuple[str, int], float]
) -> list[Violation]:
    """Say which process has grown beyond the bound."""
    grown = [
        (name, f"{added:+.0f} MiB")
        for name, added in growth(first, last).items()
        if name not in LIMITED and added > GROWTH_MIB
    ]
    large = [
        (name, f"{size:.0f} MiB")
        for (name, _), size in last.items()
        if size > LIMITED.get(name, float("inf"))
    ]
    return [Violation("memory-flat", name, detail) for name, detail in grown + large]


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
