"""Processes of billing and of the sandbox, as the stack runs them: they can be killed, and leave logs."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr

from libs.common.settings import CommonSettings

ROOT = Path(__file__).parents[2]
BILLING = "services.billing.main:create_app"
PAY = "services.billing.providers.sandbox.app:create_app"
START_S = 100.0
SERVE = """
import importlib, sys, uvicorn
factory, port, *arguments = sys.argv[1:]
module, _, function = factory.partition(":")
app = getattr(importlib.import_module(module), function)(*arguments)
uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_config=None)
"""


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
        self._env, self._command = env, [sys.executable, "-c", SERVE, factory, str(port), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start, without waiting until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdout=log, stderr=subprocess.STDOUT
            )

    async def ready(self) -> None:
        """Return once it can do its work."""

        async def answers() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()[-3_000:]
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


async def eventually(holds: Callable[[], Awaitable[bool]], *, within_s: float = 60.0) -> None:
    """Return as soon as something holds. Raises AssertionError where it does not in time."""
    clock = asyncio.get_running_loop().time
    until = clock() + within_s
    while not await holds():
        assert clock() < until, f"not within {within_s} s: {holds.__qualname__}"
        await asyncio.sleep(0.05)
