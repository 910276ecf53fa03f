"""What a backup says about itself: written last, so that half a backup is none."""

import hashlib
import hmac
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.common.backup.errors import BackupDamaged, BackupKeyWrong

FORMAT: Literal[1] = 1
NAME = "manifest.json"
MAC, FINGERPRINT = b"pixera.backup-manifest.v1", b"pixera.backup-key.v1"

Offsets = dict[str, dict[int, int]]
"""By topic and partition."""


class FileEntry(BaseModel):
    """One encrypted file. Args: count: of rows or objects in it; size, sha256: as it lies on the disk."""

    model_config = ConfigDict(frozen=True)

    name: str
    count: int
    size: int
    sha256: str


class Manifest(BaseModel):
    """Everything that a restore must know.

    `committed` is how far consumer groups were before the moment; `erasures_from` and `ends` are the log's ends just
    before and just after it, and `late` the events between these two whose writes came after the moment.

    Personal: none: counts, opaque event ids, names of collections and buckets.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    id: str
    kind: Literal["platform", "vault"]
    platform: str
    key_id: str
    made_at: datetime
    expires_at: datetime
    cluster_time: tuple[int, int]
    committed: dict[str, Offsets]
    erasures_from: Offsets
    ends: Offsets
    late: list[str]
    files: list[FileEntry]

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(file.size for file in self.files)

    def rows(self) -> int:
        """Return how many rows are in it."""
        return sum(file.count for file in self.files if file.name.endswith(".bson"))

    def objects(self) -> int:
        """Return how many objects are in it; one that was copied twice counts twice."""
        return sum(file.count for file in self.files if file.name.endswith(".pack"))

    def sealed(self, key: bytes) -> bytes:
        """Return it as text that nobody without the key can have written."""
        body = self.model_dump_json(indent=1)
        return f"{body}\n{_mac(key, body)}\n".encode()


def unseal(text: bytes, key: bytes) -> Manifest:
    """Return a manifest that was written with this key.

    Raises:   BackupKeyWrong: it was made with another; BackupDamaged: it is not as it was written.
    """
    manifest = read(text)
    if manifest.key_id != key_id(key):
        raise BackupKeyWrong(f"{manifest.id} was made with key {manifest.key_id}, this is {key_id(key)}")
    body, _, mac = text.decode().rstrip("\n").rpartition("\n")
    if not hmac.compare_digest(mac, _mac(key, body)):
        raise BackupDamaged(f"{NAME} was changed", file=NAME)
    return manifest


def read(text: bytes) -> Manifest:
    """Return a manifest as it stands there, for lists; what it says is not proven. Raises BackupDamaged."""
    try:
        body, _, _ = text.decode().rstrip("\n").rpartition("\n")
        return Manifest.model_validate_json(body)
    except (UnicodeDecodeError, ValidationError):
        raise BackupDamaged(f"{NAME} cannot be read", file=NAME) from None


def key_id(key: bytes) -> str:
    """Return a key's fingerprint, which is no secret."""
    return hmac.new(key, FINGERPRINT, hashlib.sha256).hexdigest()[:16]


def _mac(key: bytes, body: str) -> str:
    return hmac.new(key, MAC + body.encode(), hashlib.sha256).hexdigest()
