"""Files that commands write: whole or not at all, readable by this user only, and never over another one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cli.output import fail


@contextmanager
def saved(to: Path) -> Iterator[BinaryIO]:
    """Open a file that is there under its name once the block has ended well."""
    require_new(to)
    part = to.with_name(f"{to.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        fail(f"{to} cannot be written: {error.strerror}.")


def require_new(to: Path) -> None:
    """Refuse to write over a file: before anything is done that would be lost then."""
    if to.exists():
        fail(f"{to} exists already: name another file, or move it away.")
