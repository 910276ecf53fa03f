"""A key that was destroyed is worth nothing a few seconds later, in processes that were never told of it."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from libs.common.testing.processes import tied
from tests.common.vault.conftest import House

ROOT = Path(__file__).resolve().parents[3]
PROCESSES = 2


async def test_no_process_uses_a_destroyed_key_for_longer_than_the_setting(
    vault: House, settings_env: Mapping[str, str]
) -> None:
    person = uuid4()
    (sealed,) = await vault.sealing.seal(person, ["word"])
    others = [await opening(str(person), sealed) for _ in range(PROCESSES)]
    for each in others:
        assert float(await line(each)) > 0, "it opens before the key is destroyed"
    await asyncio.sleep(0.5)
    assert await vault.keys.destroy(person) == 1
    destroyed_at = time.monotonic()
    for each in others:
        last = float(await line(each))
        assert await each.wait() == 0
        assert last < destroyed_at + vault.settings.vault_key_cache_s, "it was used for too long"
    assert vault.settings.vault_key_cache_s <= 5


async def opening(*arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "tests.common.vault.opening", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, preexec_fn=tied()
    )


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(90):
        return (await process.stdout.readline()).decode()
