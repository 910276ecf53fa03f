"""Background loops: whatever ends one but a stop, it begins anew."""

import asyncio

import pytest

from libs.common.tasks import Background, Loop
from libs.common.testing.waiting import eventually


async def _fails() -> None:
    raise ValueError


async def _is_cancelled_from_within() -> None:
    """As by the `stop` of a client of Kafka: it raises what it cancelled of its own."""
    own = asyncio.create_task(asyncio.sleep(3_600))
    own.cancel()
    await own


@pytest.mark.parametrize("goes_wrong", [_fails, _is_cancelled_from_within])
async def test_a_loop_that_ended_begins_anew_until_it_is_stopped(goes_wrong: Loop) -> None:
    begun = 0

    async def loop() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            await goes_wrong()
        await asyncio.Event().wait()

    async def is_back() -> bool:
        return begun == 2

    background = Background([loop])
    background.start()
    await eventually(is_back, within_s=5)
    async with asyncio.timeout(1):
        await background.stop()
    assert all(task.cancelled() for task in background._tasks)
