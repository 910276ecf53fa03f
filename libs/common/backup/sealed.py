"""One encrypted file of a backup: AES-256-GCM in chunks, so that it is written and read in flat memory.

Each file has a key of its own, made of the backup's key, a random salt, and the names of backup and file: a file
that is moved, cut short, or stitched together does not open. The last chunk says that it is the last.

Source:   libs.common.stream_cipher; HKDF, RFC 5869.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from libs.common.backup.errors import BackupDamaged
from libs.common.stream_cipher import TAG_BYTES, StreamCipher

MAGIC = b"pixera-backup-1\n"
SALT_BYTES = 16
CHUNK = 1 << 20
INFO = "pixera.backup-file.v1"


@dataclass(slots=True)
class SealedWriter:
    """Writes one file. Args: backup, name: what the file is bound to."""

    path: Path
    key: bytes
    backup: str
    name: str
    size: int = 0
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _buffer: bytearray = field(default_factory=bytearray)
    _chunks: int = 0
    _file: IO[bytes] | None = None
    _cipher: StreamCipher | None = None

    def __enter__(self) -> "SealedWriter":
        """Begin the file, readable by this user only."""
        _make(self.path.parent)
        salt = os.urandom(SALT_BYTES)
        self._cipher = StreamCipher(_key_of(self.key, salt, self.backup, self.name))
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._put(MAGIC + salt)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Write the last chunk and see it on the disk; a file that failed is left without its end."""
        if self._file is None:
            return
        if kind is None:
            self._seal(last=True)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    async def __aenter__(self) -> "SealedWriter":
        """Begin the file in a thread."""
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """End the file in a thread: a disk may take seconds to have it."""
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._buffer += data
        while len(self._buffer) > CHUNK:
            self._seal(last=False)

    @property
    def sha256(self) -> str:
        """Return the digest of what lies on the disk."""
        return self._digest.hexdigest()

    def _seal(self, *, last: bool) -> None:
        if self._cipher is None:
            raise TypeError("the file is not open")
        plain = bytes(self._buffer[:CHUNK])
        del self._buffer[:CHUNK]
        self._put(self._cipher.seal(self._chunks, plain, last=last))
        self._chunks += 1

    def _put(self, data: bytes) -> None:
        if self._file is None:
            raise TypeError("the file is not open")
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


def unsealed(path: Path, key: bytes, backup: str, name: str) -> Iterator[bytes]:
    """Yield a file's plain chunks. Raises BackupDamaged: naming the file, at the first chunk that is not whole."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BackupDamaged(f"{name} is no file of a backup", file=name)
            cipher = StreamCipher(_key_of(key, file.read(SALT_BYTES), backup, name))
            number, sealed = 0, file.read(CHUNK + TAG_BYTES)
            while True:
                following = file.read(CHUNK + TAG_BYTES)
                yield cipher.open(number, sealed, last=not following)
                if not following:
                    return
                number, sealed = number + 1, following
    except FileNotFoundError:
        raise BackupDamaged(f"{name} is missing", file=name) from None
    except (InvalidTag, ValueError):
        raise BackupDamaged(f"{name} was changed or cut short", file=name) from None


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file on the disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make(folder: Path) -> None:
    """Make a folder and those above it that are missing, each for this user only."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _key_of(key: bytes, salt: bytes, backup: str, name: str) -> bytes:
    info = "\0".join((INFO, backup, name)).encode()
    return HKDF(SHA256(), length=32, salt=salt, info=info).derive(key)
