"""Small disks for the servers, which can be filled: tmpfs in a mount namespace that ends with the rig."""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

from deploy.local.home import Home

NAMESPACE = ("unshare", "--user", "--map-current-user", "--mount", "--keep-caps")
MIB = 1024 * 1024
SIZES = {"kafka": 512, "mongod": 1024, "s3": 512}
"""In MiB. MongoDB lays out 200 MiB of journal before it writes anything."""
FOLDERS = {"kafka": "kafka", "mongod": "mongo", "s3": "s3"}
NEEDS_A_RESTART = {"s3"}
"""SeaweedFS's index (goleveldb) refuses every write after one that failed, until it is opened again: its operator
restarts it. Kafka and MongoDB end by themselves when their disk is full."""
BALLAST = "ballast"
MS_NOSUID, MS_NODEV = 2, 4  # Source: mount(2)

_libc = ctypes.CDLL(None, use_errno=True)


def possible() -> bool:
    """Whether this machine lets its users have mounts of their own."""
    if sys.platform != "linux":
        return False
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:  # no util-linux
        return False


def mount(home: Home) -> None:
    """Effects: the data of each server is on a disk of its own, seen by this process and its children only."""
    for server, size in SIZES.items():
        folder = home.data / FOLDERS[server]
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={size}m,mode=0700".encode()
        if _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", MS_NOSUID | MS_NODEV, options) != 0:
            raise OSError(ctypes.get_errno(), "mount", str(folder))


def fill(home: Home, server: str) -> None:
    """Effects: not a byte can be added to this server's disk."""
    with _ballast(home, server).open("ab") as ballast:
        for piece in (bytes(MIB), bytes(1024)):
            _write_until_full(ballast.fileno(), piece)


def _write_until_full(file: int, piece: bytes) -> None:
    try:
        while True:
            os.write(file, piece)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def empty(home: Home, server: str) -> None:
    """Effects: there is room again."""
    _ballast(home, server).unlink(missing_ok=True)


def free(home: Home, server: str) -> int:
    """The bytes that can still be written."""
    room = os.statvfs(home.data / FOLDERS[server])
    return room.f_bavail * room.f_frsize


def _ballast(home: Home, server: str) -> Path:
    return home.data / FOLDERS[server] / BALLAST
