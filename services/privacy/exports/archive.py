"""A ZIP that is written as a stream: what is in it goes out as it comes, and only its table of contents is kept.

Python's own `zipfile` writes to what cannot be sought, by data descriptors: no other library is needed (ADR 0034).
"""

import asyncio
import hashlib
import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Protocol, cast

import orjson

from libs.common.exporting.segments import Stored

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive, as the manifest has it."""

    path: str
    size: int
    sha256: str


class Sink(Protocol):
    """Where an archive goes: `libs.common.exporting.segments.SegmentWriter`."""

    async def write(self, data: bytes) -> None:
        """Add bytes."""
        ...

    async def end(self) -> Stored:
        """Write the rest, and return what there is."""
        ...


class ZipArchive:
    """Writes one archive. Args: out: where it goes; moment: the time that its files bear."""

    def __init__(self, out: Sink, moment: datetime) -> None:
        self._out, self._moment, self._flow = out, moment, _Outflow()
        self._zip = zipfile.ZipFile(cast("IO[bytes]", self._flow), "w")
        self._entries: list[Entry] = []

    async def add(self, path: str, data: bytes, *, packed: bool = True) -> None:
        """Add a file. Args: packed: false for what is compressed already, as images are."""
        await asyncio.to_thread(self._write, path, data, packed=packed)
        await self._out.write(self._flow.taken())

    async def end(self) -> tuple[int, Stored]:
        """Write the manifest and the end; return how many files there are, and the archive as it is stored."""
        manifest = {
            "made_at": self._moment,
            "files": [
                {"path": each.path, "size": each.size, "sha256": each.sha256} for each in self._entries
            ],
        }
        await self.add(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2))
        await asyncio.to_thread(self._zip.close)
        await self._out.write(self._flow.taken())
        return len(self._entries), await self._out.end()

    def _write(self, path: str, data: bytes, *, packed: bool) -> None:
        head = zipfile.ZipInfo(path, self._moment.timetuple()[:6])
        head.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        head.external_attr = 0o644 << 16
        self._zip.writestr(head, data)
        self._entries.append(Entry(path, len(data), hashlib.sha256(data).hexdigest()))


class _Outflow(io.RawIOBase):
    """What `zipfile` writes into: it cannot be sought, and gives away what it has."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._buffer.write(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data = self._buffer.getvalue()
        self._buffer = io.BytesIO()
        return data
