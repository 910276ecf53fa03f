"""A program that is restarted by its operator is ended, by force if need be, and comes again."""

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from deploy.local.children import execute
from deploy.local.supervisor import Listener, Program, Running, Supervisor

SLEEPS = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('deaf', 'w'); {SLEEPS}"


@pytest.mark.parametrize(("script", "ending"), [(SLEEPS, "SIGTERM"), (STUBBORN, "SIGKILL")])
async def test_it_is_ended_and_started_again(tmp_path: Path, script: str, ending: str) -> None:
    endings: list[str] = []

    def died(_: Running, how: str, __: float) -> None:
        endings.append(how)

    async def is_ready() -> bool:
        return script is SLEEPS or (tmp_path / "deaf").exists()

    supervisor = Supervisor(Listener(lambda _: None, died))
    start = partial(execute, (sys.executable, "-c", script), log=tmp_path / "log", cwd=tmp_path)
    await supervisor.start(Program("one", start, is_ready, tmp_path / "log", stops_within=1.0))
    entry = supervisor.running["one"]
    first = entry.pid
    await supervisor.restart("one")
    async with asyncio.timeout(20):
        while entry.pid == first:
            await asyncio.sleep(0.05)
    assert endings == [f"was ended by {ending}"]
    assert entry.restarts == 1
    await supervisor.stop("one", by=signal.SIGKILL)
