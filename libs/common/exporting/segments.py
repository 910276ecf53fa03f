"""A sealed stream in the object store: one object for each chunk, so that no upload is ever half there (ADR 0034)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag

from libs.common.errors import PixeraError
from libs.common.privacy.writes import Writes
from libs.common.storage import Storage
from libs.common.stream_cipher import TAG_BYTES, StreamCipher

BUCKET = "pixera-privacy"
SEGMENT = 8 << 20
"""Bytes in a segment before it is sealed; the last one has fewer."""
MEDIA_TYPE = "application/octet-stream"


class ExportDamaged(PixeraError):
    """A segment was changed or exchanged, or its key is not the stream's."""

    code, title = "export-damaged", "A part of this export cannot be read: have it made anew"


@dataclass(frozen=True, slots=True)
class Stored:
    """A stream that is whole. Args: size, sha256: of what was written, before it was sealed."""

    segments: int
    size: int
    sha256: str


@dataclass(slots=True)
class SegmentWriter:
    """Writes one stream of a person. Args: prefix: where, without the slash that ends it; cipher: of a new key."""

    storage: Storage
    writes: Writes
    user_id: UUID
    prefix: str
    cipher: StreamCipher
    _buffer: bytearray = field(default_factory=bytearray)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _segments: int = 0
    _size: int = 0

    async def write(self, data: bytes) -> None:
        """Add bytes. Raises SubjectErased: nothing more is stored."""
        self._buffer += data
        while len(self._buffer) > SEGMENT:
            await self._put(last=False)

    async def end(self) -> Stored:
        """Store the last segment, which says that it is the last. Raises SubjectErased."""
        await self._put(last=True)
        return Stored(self._segments, self._size, self._digest.hexdigest())

    async def _put(self, *, last: bool) -> None:
        plain = bytes(memoryview(self._buffer)[:SEGMENT])
        del self._buffer[:SEGMENT]
        sealed = await asyncio.to_thread(self._sealed, plain, last=last)
        async with self.writes.under_way(self.user_id):
            await self.storage.put(BUCKET, f"{self.prefix}/{self._segments}", sealed, MEDIA_TYPE)
        self._segments += 1

    def _sealed(self, plain: bytes, *, last: bool) -> bytes:
        self._digest.update(plain)
        self._size += len(plain)
        return self.cipher.seal(self._segments, plain, last=last)


async def read(
    storage: Storage, prefix: str, segments: int, cipher: StreamCipher, *, first: int = 0
) -> AsyncIterator[bytes]:
    """Yield a stream's plain segments from one of them on, one in memory at a time.

    Raises:   ExportDamaged; ObjectMissing: it has been removed.
    """
    for number in range(first, segments):
        sealed = await storage.get(BUCKET, f"{prefix}/{number}", SEGMENT + TAG_BYTES)
        last = number == segments - 1
        try:
            yield await asyncio.to_thread(cipher.open, number, sealed, last=last)
        except InvalidTag as error:
            raise ExportDamaged from error
