"""A wall clock that is off: this process's, for the block. Servers, and monotonic time, go on as ever."""

import time
from datetime import timedelta

import time_machine


def off_by(by: timedelta) -> time_machine.travel:
    """Return the block's context. Args: by: how far the clock is ahead; behind where it is negative."""
    return time_machine.travel(time.time() + by.total_seconds(), tick=True)
