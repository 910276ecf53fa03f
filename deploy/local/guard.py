"""The last one out: ends whatever a launcher left behind, however the launcher ended.

Direct children go with the launcher (`lifeline`), but a child of a child, such as a worker of a service's
process pool, does not. The launcher holds a pipe to this process; when it closes, every process that carries
the stack's mark in its environment is killed. Run by path with a bare interpreter: standard library only.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "PIXERA_STACK"
GRACE = 0.2  # seconds for the kernel to end the direct children first
ROUNDS = 25


def main() -> None:
    """Wait for the launcher's end, then sweep."""
    os.setsid()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    sweep(sys.argv[1])


def sweep(mark: str) -> None:
    """Effects: no process with this mark is left, this one aside."""
    for _ in range(ROUNDS):
        time.sleep(GRACE)
        left = list(marked(mark))
        if not left:
            return
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue


def marked(mark: str) -> Iterator[int]:
    """The processes started with this mark in their environment; a forked child shows its parent's."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # gone, or another user's
            continue
        if wanted in environment.split(b"\0"):
            yield int(folder.name)


if __name__ == "__main__":
    main()
