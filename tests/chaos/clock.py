"""A wall clock that jumps for one process. Monotonic time, and with it every timeout of asyncio, goes on as ever.

The rig writes how far the clock is off to the process's file and sends a signal; the process travels, and says
so in a second file. One that is started meanwhile finds the file, as it would find a wrong clock.
Rust's `uuid7` reads the clock by itself and does not jump.
"""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import time_machine

FOLDER = "clock"
SIGNAL = signal.SIGUSR1
POLL_S = 0.02


class JumpingClock:
    """In the process: the clock as its file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._travel: time_machine.travel | None = None

    def follow(self) -> None:
        """Effects: the clock is what the file says now, and at each signal."""
        signal.signal(SIGNAL, self._look)
        self._look(SIGNAL, None)

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        offset = float(self._file.read_text()) if self._file.exists() else 0.0
        if self._travel:
            self._travel.stop()
            self._travel = None
        if offset:
            self._travel = time_machine.travel(time.time() + offset, tick=True)
            self._travel.start()
            _told(self._file).write_text(str(offset))
        else:
            _told(self._file).unlink(missing_ok=True)


async def jump(file: Path, pid: int, offset_s: float, within_s: float) -> bool:
    """Set the clock of a process off by this much; 0 sets it right. Returns whether it said so in time."""
    file.parent.mkdir(exist_ok=True)
    partial = file.with_suffix(".tmp")
    partial.write_text(str(offset_s))
    partial.rename(file)
    with suppress(ProcessLookupError):
        os.kill(pid, SIGNAL)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if off(file) == offset_s:
            return True
        await asyncio.sleep(POLL_S)
    return False


def off(file: Path) -> float:
    """How far off a process says its clock is, in seconds."""
    try:
        return float(_told(file).read_text())
    except (FileNotFoundError, ValueError):  # it is right, or is being written
        return 0.0


def _told(file: Path) -> Path:
    return file.with_suffix(".told")
