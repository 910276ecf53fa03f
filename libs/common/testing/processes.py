"""Processes of a test's own, which can be killed and leave logs; none outlives the test run, however that ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
from pydantic import SecretStr

from deploy.local.lifeline import die_with_parent
from libs.common.settings import CommonSettings
from libs.common.testing.waiting import eventually

ROOT = Path(__file__).parents[3]
START_S = 100.0
SERVE = """
import importlib, sys, uvicorn
from deploy.local.lifeline import die_with_parent
parent, factory, port, *arguments = sys.argv[1:]
die_with_parent(int(parent))
module, _, function = factory.partition(":")
app = getattr(importlib.import_module(module), function)(*arguments)
uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_config=None)
"""


def tied() -> Callable[[], None]:
    """Return what a new process does first (`preexec_fn`), so that the kernel ends it with the test run."""
    return partial(die_with_parent, os.getpid())


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(settings: CommonSettings, **more: str) -> dict[str, str]:
    """Return the environment that gives a process these settings."""
    said = {
        f"PIXERA_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings
        if value is not None
    }
    return os.environ | said | {"PYTHONPATH": str(ROOT)} | more


class Process:
    """One server process on a port of its own."""

    def __init__(self, log: Path, env: dict[str, str], port: int, factory: str, *arguments: str) -> None:
        self.url, self.log = f"http://127.0.0.1:{port}", log
        self._env = env
        self._command = [sys.executable, "-c", SERVE, str(os.getpid()), factory, str(port), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start, without waiting until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                self._command, cwd=ROOT, env=self._env, stdout=log, stderr=subprocess.STDOUT
            )

    async def ready(self) -> None:
        """Return once it can do its work."""

        async def answers() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"it does not run: {self.log.read_text()[-3_000:]}")
            async with httpx.AsyncClient(base_url=self.url) as client:
                try:
                    return (await client.get("/readyz")).is_success
                except httpx.TransportError:
                    return False

        await eventually(answers, within_s=START_S)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, as kill -9 does."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(15)
            self._process = None


@asynccontextmanager
async def running(*processes: Process) -> AsyncIterator[None]:
    """Run processes for the block."""
    try:
        for process in processes:
            process.launch()
        await asyncio.gather(*(process.ready() for process in processes))
        yield
    finally:
        for process in processes:
            process.kill(signal.SIGTERM)
