"""A process whose servers are all gone still ends when it is asked to, and the next one carries on."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.local.spawn import RunningStack
from libs.common.testing.waiting import eventually

pytestmark = pytest.mark.slow

SERVERS = ("kafka", "mongod", "s3")
STOPPED = ("gallery-worker", "gallery-api", "billing-worker", "privacy-worker")
KILLED_AFTER_S = 10
"""The supervisor's patience; here nobody kills, so only a process that ends by itself passes."""


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """Have processes hold every connection and answer nothing for the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def runs(pid: int) -> bool:
    """Tell whether a process is there, and more than its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


async def test_without_any_server_a_stop_ends_by_itself_and_the_next_process_carries_on(
    platform: RunningStack,
) -> None:
    before = platform.processes()
    asked = {name: before[name]["pid"] for name in STOPPED}
    with frozen([before[server]["pid"] for server in SERVERS]):
        await asyncio.sleep(6)  # leases, heartbeats, looks at the outbox: what is under way hangs by now
        for pid in asked.values():
            os.kill(pid, signal.SIGTERM)

        async def have_ended() -> bool:
            return not any(runs(pid) for pid in asked.values())

        await eventually(have_ended, within_s=KILLED_AFTER_S)

    async def are_back() -> bool:
        now = platform.processes()
        return all(now[name]["pid"] != asked[name] for name in STOPPED) and await all_ready(platform)

    await eventually(are_back, within_s=120)


async def all_ready(platform: RunningStack) -> bool:
    """Tell whether the processes that were stopped can work."""
    async with httpx.AsyncClient() as client:
        try:
            answers = [
                await client.get(f"http://127.0.0.1:{platform.ports[name]}/readyz") for name in STOPPED
            ]
        except httpx.TransportError:
            return False
    return all(answer.is_success for answer in answers)
