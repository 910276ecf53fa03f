"""`make bench-start`: how long the platform takes to be ready, and what memory it holds when nobody uses it."""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.report import Figure, keep, p50
from deploy.local import guard
from deploy.local.gateway_routes import SERVICES
from deploy.local.home import ROOT
from deploy.local.probe import answers
from deploy.local.spawn import RunningStack, started

ROUNDS = 3
LOOK = 0.02
SETTLE = 10  # seconds of doing nothing before memory is looked at
READY_BAR = 12
COLD_BAR = 300
ALONE_BAR = 5
MEMORY_BAR = 1.3


def main() -> int:
    """Measure and keep; 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="bench.start", description=__doc__)
    parser.add_argument(
        "--no-cold", action="store_true", help="leave out the start with every cache empty (a download)"
    )
    arguments = parser.parse_args()
    figures = [*warm_figures()]
    if not arguments.no_cold:
        figures.append(Figure("every cache empty: set-up and start", cold(), "s", 1, bar=f"<= {COLD_BAR}"))
    return 0 if keep("start", figures) else 1


def warm_figures() -> Iterator[Figure]:
    """Start with all downloads there: on empty data, then again on the same data."""
    fresh, again, memory, busy = [], [], {}, os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="pixera-bench-") as name:
        home = Path(name) / "home"
        for _ in range(ROUNDS):
            shutil.rmtree(home, ignore_errors=True)
            fresh.append(time_to_ready(home))
            again.append(time_to_ready(home))
        with started(home) as stack:
            work = cpu_of(stack)
            time.sleep(SETTLE)
            memory = memory_of(stack)
            alone = [time_of_one(stack, name) for name in sorted(stack.processes()) if is_service(name)]
    yield Figure("ready, empty data", p50(fresh), "s", ROUNDS, bar=f"<= {READY_BAR}")
    yield Figure("ready, data kept", p50(again), "s", ROUNDS, bar=f"<= {READY_BAR}")
    yield Figure("  processor time until ready", work, "s", 1)
    yield Figure("  others' load before (1 min)", busy, "tasks", 1)
    yield Figure("one process of a service, start to ready, median", p50(alone), "s", len(alone))
    yield Figure("  the slowest", max(alone), "s", len(alone), bar=f"<= {ALONE_BAR}")
    yield Figure("idle memory (PSS)", sum(memory.values()), "GiB", 1, bar=f"<= {MEMORY_BAR}")
    for name, gib in sorted(memory.items(), key=lambda item: -item[1]):
        yield Figure(f"  {name}", gib, "GiB", 1)


def time_to_ready(home: Path) -> float:
    """Seconds from the command to the line that says it is ready."""
    begun = time.monotonic()
    with started(home):
        return time.monotonic() - begun


def is_service(name: str) -> bool:
    """Tell whether a process is one of a service's."""
    return name.partition("-")[0] in SERVICES


def time_of_one(stack: RunningStack, name: str) -> float:
    """Seconds from a process's start to its readiness, where all others are up; it is killed for that."""
    before = stack.processes()[name]["pid"]
    stack.kill(name)
    while stack.processes()[name]["pid"] == before or not is_ready(stack, name):
        time.sleep(LOOK)
    ready = time.time()
    return ready - psutil.Process(stack.processes()[name]["pid"]).create_time()


def is_ready(stack: RunningStack, name: str) -> bool:
    """Ask a process."""
    return asyncio.run(answers(stack.ports[name], "/readyz"))


def memory_of(stack: RunningStack) -> dict[str, float]:
    """Memory by process in GiB, shared pages counted once (PSS); what no name is known for is `helpers`."""
    processes = stack.processes()
    names = {process["pid"]: name for name, process in processes.items()} | {stack.launcher.pid: "launcher"}
    found: dict[str, float] = {}
    for pid in pids_of(stack):
        name = names.get(pid, "helpers")
        found[name] = found.get(name, 0.0) + pss(pid) / 2**30
    return found


def cpu_of(stack: RunningStack) -> float:
    """Seconds of processor time that the stack has used; says what a start costs on a busy machine too."""
    times = [psutil.Process(pid).cpu_times() for pid in pids_of(stack)]
    return sum(each.user + each.system for each in times)


def pids_of(stack: RunningStack) -> set[int]:
    """Every process of the stack, the launcher and its helpers included."""
    mark = psutil.Process(stack.processes()["desk"]["pid"]).environ()[guard.MARK]
    return {*guard.marked(mark), stack.launcher.pid}


def pss(pid: int) -> int:
    """Bytes. Source: proc(5), smaps_rollup."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1_024


def cold() -> float:
    """Seconds for `make setup` and a start of this working tree elsewhere, with no cache of any kind."""
    with tempfile.TemporaryDirectory(prefix="pixera-cold-") as name:
        tree, cache = Path(name) / "pixera", Path(name) / "cache"
        copy_tree(tree)
        cache.mkdir()
        env = {
            **os.environ,
            "HOME": str(cache),
            "XDG_CACHE_HOME": str(cache),
            "UV_CACHE_DIR": str(cache / "uv"),
        }
        for setting in ("PIP_CACHE_DIR", "VIRTUAL_ENV"):
            env.pop(setting, None)
        begun = time.monotonic()
        # The interpreter that .venv was made from, as a newcomer's `python3` would be.
        make = ["make", "setup", f"PYTHON={sys.base_prefix}/bin/python3"]
        subprocess.run(make, cwd=tree, env=env, check=True, stdout=subprocess.DEVNULL)
        launch: list[str | Path] = [
            tree / ".venv/bin/python",
            "-m",
            "deploy.local.launch",
            "--free-ports",
            "--quiet",
        ]
        launcher = subprocess.Popen(launch, cwd=tree, env=env, stdout=subprocess.PIPE)
        try:
            assert launcher.stdout is not None
            line = launcher.stdout.readline()
            took = time.monotonic() - begun
        finally:
            launcher.terminate()
            launcher.wait()
        if b"pixera ready" not in line:
            raise RuntimeError("the cold start did not become ready; its message is above")
        return took


def copy_tree(target: Path) -> None:
    """Effects: `target` holds what a clone would, changes not yet committed included."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


if __name__ == "__main__":
    sys.exit(main())
