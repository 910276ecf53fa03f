"""Background loops: whatever ends one but a stop, it begins anew."""

import asyncio

import pytest

from libs.common.tasks import Background, Loop, log
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


async def test_waits_begin_anew_where_a_loop_went_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage a day: the tenth is waited for no longer than the first."""
    monkeypatch.setattr("libs.common.tasks.LONGEST_WAIT_S", 0.02)
    monkeypatch.setattr("libs.common.tasks.FIRST_WAIT_S", 0.001)
    waits = list[float]()
    monkeypatch.setattr(log, "warning", lambda *_, wait_s, **__: waits.append(wait_s))
    lasts = iter([0.0] * 4 + [0.05] + [0.0] * 2)

    async def loop() -> None:
        await asyncio.sleep(next(lasts, 3_600))
        raise ValueError

    async def all_failed() -> bool:
        return len(waits) == 7

    background = Background([loop])
    background.start()
    await eventually(all_failed, within_s=5)
    await background.stop()
    assert waits == [0.001, 0.002, 0.004, 0.008, 0.001, 0.002, 0.004]
