"""A program that tests run many times, forked from a process that has imported it: a start costs a second otherwise.

What runs is a process of its own, with the arguments, environment and files that it is given. `python -m
libs.common.testing.warm` is the parent; it ends with the test run.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from deploy.local.lifeline import die_with_parent
from libs.common.assembling import put_together

ROOT = Path(__file__).parents[3]
ORDER_BYTES = 1 << 20
LOOK_EVERY_S = 0.05
STARTS_WITHIN_S = 60.0


@dataclass
class Ran:
    """What a run of a program came to."""

    code: int
    out: str
    err: str


class Warm:
    """Runs a program.

    Args:     main: `module:function`, which ends as a program does; also: what it imports once it runs.
    """

    def __init__(self, main: str, *also: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._address = f"{self._folder.name}/orders"
        command = [sys.executable, "-m", __name__, self._address, str(os.getpid()), main, *also]
        self._parent = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - this interpreter
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not Path(self._address).exists():
            if self._parent.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{main} could not be imported")
            time.sleep(LOOK_EVERY_S)

    def run(self, arguments: Sequence[str], env: Mapping[str, str], typed: str, timeout: float) -> Ran:
        """Run it once. Args: typed: what its standard input says; timeout: seconds."""
        order = json.dumps({"arguments": arguments, "env": dict(env)}).encode()
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            socket.socket(socket.AF_UNIX) as link,
        ):
            given.write(typed.encode())
            given.seek(0)
            link.settimeout(timeout)
            link.connect(self._address)
            socket.send_fds(link, [order], [file.fileno() for file in (given, out, err)])
            link.shutdown(socket.SHUT_WR)
            code = link.recv(16)
            out.seek(0)
            err.seek(0)
            return Ran(int(code or b"-1"), out.read().decode(), err.read().decode())


def serve(address: str, main: str, *also: str) -> None:
    """Import the program, and fork a process for every order."""
    module, _, function = main.partition(":")
    with put_together():
        program = getattr(importlib.import_module(module), function)
        for name in also:
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{address}.new")
        listening.listen(64)
        Path(f"{address}.new").rename(address)  # who sees it can connect
        while True:
            link, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _carry_out(link, program)
            link.close()


def _carry_out(link: socket.socket, program: Callable[[], None]) -> NoReturn:
    """Run the program as the process that was asked for, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, files, _, _ = socket.recv_fds(link, ORDER_BYTES, 3)
    while more := link.recv(ORDER_BYTES):
        text += more
    order = json.loads(text)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = [sys.argv[0], *order["arguments"]]
    code = 1
    try:
        program()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        link.sendall(str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    address_, parent, *modules = sys.argv[1:]
    die_with_parent(int(parent))
    serve(address_, *modules)
