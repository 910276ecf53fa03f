"""A stack of one's own, for tests, benchmarks and the demo: the same launcher as `make run`, in its own folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError
from deploy.local.home import ROOT, Home

POLL = 0.05
STOP_WITHIN = 60
LAUNCHER = (sys.executable, "-m", "deploy.local.launch")
# One machine plays every client, so the limits for one client would be the test's limits.
UNLIMITED = {
    "PIXERA_GATEWAY_REQUESTS_PER_SECOND": "1000000",
    "PIXERA_GATEWAY_CREDENTIALS_PER_MINUTE": "1000000",
}


@dataclass(frozen=True)
class RunningStack:
    """A stack that is ready.

    Args: gateway: its address; empty without services. env: what a service process needs (PIXERA_…).
    """

    home: Home
    launcher: "subprocess.Popen[bytes]"
    gateway: str
    ports: Mapping[str, int]
    env: Mapping[str, str]

    def processes(self) -> dict[str, dict[str, int]]:
        """What runs at this moment: `pid` and `restarts` by name."""
        found: dict[str, dict[str, int]] = read(self.home)["processes"]
        return found

    def kill(self, name: str) -> int:
        """Kill one process as a crash would. Returns the restarts it had before."""
        process = self.processes()[name]
        os.kill(process["pid"], signal.SIGKILL)
        return process["restarts"]


@contextmanager
def started(
    home: Path,
    *flags: str,
    env: Mapping[str, str] | None = None,
    within: float = 300,
    program: Sequence[str] = LAUNCHER,
) -> Iterator[RunningStack]:
    """Start a stack on free ports and stop it at the end; it ends by itself when this process is killed.

    Args: flags: of `python -m deploy.local.launch`. env: settings besides this process's. within: seconds.
        program: another launcher that takes the same flags.
    Raises: StackError: it does not come up; the message has what the launcher said.
    """
    home.mkdir(parents=True, exist_ok=True)
    command = [*program, "--home", str(home), "--free-ports", "--quiet"]
    command += ["--die-with", str(os.getpid()), *flags]
    said = home / "launcher.log"
    with said.open("wb") as output:
        launcher = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, **UNLIMITED, **(env or {})}
        )
    try:
        yield _when_ready(Home(home.resolve()), launcher, said, within)
    finally:
        _stop(launcher)


def read(home: Home) -> dict[str, Any]:
    """What a running stack says about itself. Raises: FileNotFoundError: none is ready there."""
    state: dict[str, Any] = json.loads(home.stack_file.read_text())
    return state


def _when_ready(home: Home, launcher: "subprocess.Popen[bytes]", said: Path, within: float) -> RunningStack:
    deadline = time.monotonic() + within
    while b"pixera ready" not in said.read_bytes():
        if launcher.poll() is not None:
            raise StackError(f"The stack does not start:\n{said.read_text()}")
        if time.monotonic() > deadline:
            raise StackError(f"The stack is not ready within {within:.0f} s:\n{said.read_text()}")
        time.sleep(POLL)
    state = read(home)
    return RunningStack(home, launcher, state["gateway"] or "", state["ports"], state["env"])


def _stop(launcher: "subprocess.Popen[bytes]") -> None:
    launcher.terminate()
    try:
        launcher.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        launcher.kill()  # the kernel and the guard end the rest
        launcher.wait()
