"""The backups of one folder: each a folder of its own, whole once its manifest is there."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from bson import decode_file_iter
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from libs.common.backup import manifest as manifests
from libs.common.backup.errors import BackupDamaged, BackupNotFound
from libs.common.backup.manifest import FileEntry, Manifest
from libs.common.backup.sealed import SealedWriter, digest_of, unsealed
from libs.common.clock import now
from libs.common.logging import logger

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
METADATA = ".metadata.json"
ID = re.compile(r"[0-9]{8}t[0-9]{6}z-[0-9a-f]{6}")
BEGUN = "%Y%m%dt%H%M%Sz"

log = logger("backup")


def new_backup_id() -> str:
    """Return the name of a backup that is made now: names sort by time, and are fit for events."""
    return f"{now():{BEGUN}}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Opened:
    """A whole backup whose manifest is its maker's own."""

    path: Path
    key: bytes
    manifest: Manifest

    def check(self, entry: FileEntry) -> None:
        """Read one file. Raises BackupDamaged: naming it, where it is not as it was written."""
        path = self.path / entry.name
        if not path.is_file():
            raise BackupDamaged(f"{entry.name} is missing", file=entry.name)
        if path.stat().st_size != entry.size or digest_of(path) != entry.sha256:
            raise BackupDamaged(f"{entry.name} was changed or cut short", file=entry.name)
        if entry.name.endswith(METADATA):
            self.text(entry.name)
        elif sum(1 for _ in self.documents(entry)) != entry.count:
            raise BackupDamaged(f"{entry.name} does not hold {entry.count} entries", file=entry.name)

    def documents(self, entry: FileEntry) -> Iterator[RawBSONDocument]:
        """Yield what a file holds, one in memory at a time."""
        chunks = unsealed(self.path / entry.name, self.key, self.manifest.id, entry.name)
        yield from decode_file_iter(cast("BinaryIO", _Stream(chunks)), RAW)

    def text(self, name: str) -> str:
        """Return a file that is a text."""
        return b"".join(unsealed(self.path / name, self.key, self.manifest.id, name)).decode()


@dataclass(frozen=True)
class Draft:
    """A backup that is being made: it is none before its manifest is there."""

    path: Path
    key: bytes

    def writer(self, name: str) -> SealedWriter:
        """Return what writes one file of it."""
        return SealedWriter(self.path / name, self.key, self.path.name, name)

    def discard(self, part: str) -> None:
        """Remove what was written of one of its parts."""
        shutil.rmtree(self.path / part, ignore_errors=True)

    def finish(self, manifest: Manifest) -> None:
        """Make it whole: its manifest appears at once or not at all."""
        partial = self.path / f".{manifests.NAME}"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(manifest.sealed(self.key))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.path / manifests.NAME)
        _sync(self.path)


class Folder:
    """Where backups of one kind lie. Args: key: what they are encrypted with; only lists work without it."""

    def __init__(self, path: Path, key: bytes = b"") -> None:
        self.path, self._key = path, key

    def begin(self, backup: str) -> "Draft":
        """Begin a backup."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.path / backup).mkdir(mode=0o700)
        return Draft(self.path / backup, self._key)

    def open(self, backup: str) -> Opened:
        """Return a whole backup.

        Raises:   BackupNotFound (404); BackupKeyWrong, BackupDamaged (409).
        """
        return Opened(self.path / backup, self._key, manifests.unseal(self._manifest_of(backup), self._key))

    def whole(self) -> list[Manifest]:
        """Return what whole backups say of themselves, oldest first; one that cannot be read is passed over."""
        told = self._told()
        for unreadable in (name for name, manifest in told.items() if manifest is None):
            log.warning("backup.unreadable", backup=unreadable)
        return sorted(filter(None, told.values()), key=lambda manifest: manifest.made_at)

    def is_whole(self, backup: str) -> bool:
        """Tell whether a backup was made to its end."""
        return (self.path / backup / manifests.NAME).is_file()

    def halves(self) -> list[str]:
        """Return the names of what was begun and not finished."""
        return [name for name in self._names() if not self.is_whole(name)]

    def expired(self, moment: datetime, kept: timedelta) -> dict[str, Manifest | None]:
        """Return the backups whose time is over, by name, with what they say of themselves.

        Args:     kept: how long one is kept that cannot be read, since it was begun.
        """
        return {
            name: manifest
            for name, manifest in self._told().items()
            if (manifest.expires_at if manifest else self._begun_at(name) + kept) <= moment
        }

    def remove(self, backup: str) -> bool:
        """Remove a backup; tell whether nothing is left of it.

        The manifest goes first, so that what is left is a half and no backup.
        """
        folder = self.path / backup
        with suppress(OSError):
            (folder / manifests.NAME).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    def _told(self) -> dict[str, Manifest | None]:
        """Return what whole backups say of themselves, by name; None of one that cannot be read."""
        return {name: self._manifest(name) for name in self._names() if self.is_whole(name)}

    def _manifest(self, backup: str) -> Manifest | None:
        try:
            return manifests.read(self._manifest_of(backup))
        except (BackupDamaged, OSError):
            return None

    def _begun_at(self, backup: str) -> datetime:
        """Return when a backup was begun, as its name says; where that is no time, when its manifest was written."""
        try:
            return datetime.strptime(backup.partition("-")[0], BEGUN).replace(tzinfo=UTC)
        except ValueError:
            return datetime.fromtimestamp((self.path / backup / manifests.NAME).stat().st_mtime, UTC)

    def _names(self) -> list[str]:
        if not self.path.is_dir():
            return []
        return sorted(entry.name for entry in self.path.iterdir() if ID.fullmatch(entry.name))

    def _manifest_of(self, backup: str) -> bytes:
        if not ID.fullmatch(backup):
            raise BackupNotFound
        try:
            return (self.path / backup / manifests.NAME).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise BackupNotFound(f"there is no whole backup {backup}") from None


class _Stream:
    """Plain chunks as the file that the BSON decoder reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, bytearray()

    def read(self, size: int) -> bytes:
        while len(self._left) < size and (chunk := next(self._chunks, None)) is not None:
            self._left += chunk
        taken = bytes(self._left[:size])
        del self._left[:size]
        return taken


def _sync(folder: Path) -> None:
    descriptor: Any = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
