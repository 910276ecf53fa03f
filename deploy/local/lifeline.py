"""A child that outlives its launcher would hold ports and data: the kernel ends it with its parent."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Source: prctl(2)

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when `parent`, which started it, ends in whatever way.

    Called in the new process: between fork and exec for a server, first thing in a forked service.
    """
    if sys.platform == "linux" and _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)
