"""What a part of an export is made of: a stream of records, each with its kind and its length before it."""

import base64
import struct
from collections.abc import AsyncIterable, AsyncIterator
from enum import IntEnum
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel

HEAD = struct.Struct(">BI")


class Kind(IntEnum):
    """What a record is. A holding comes before its rows, a file before its bytes."""

    HOLDING = 1
    ROW = 2
    FILE = 3
    DATA = 4


class HoldingHead(BaseModel):
    """A holding whose rows follow. Args: json_schema: what they are held to; categories: of their fields, by path."""

    holding: str
    json_schema: dict[str, Any]
    categories: dict[str, str]


class FileHead(BaseModel):
    """A file whose bytes follow. Args: path: beneath the holding's folder; caption: what its person wrote of it."""

    holding: str
    path: str
    media_type: str
    caption: str | None = None


class Record(NamedTuple):
    """One record. Args: payload: JSON, or a file's bytes."""

    kind: Kind
    payload: bytes


def encoded(kind: Kind, payload: bytes) -> bytes:
    """Return a record as it lies in the stream."""
    return HEAD.pack(kind, len(payload)) + payload


def row(fields: dict[str, Any]) -> bytes:
    """Return a row as JSON: ids and times as text, bytes in base64."""
    return orjson.dumps(fields, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


async def decoded(stream: AsyncIterable[bytes]) -> AsyncIterator[Record]:
    """Yield the records of a stream. Memory: one record and one piece of the stream.

    Raises:   ValueError: the stream ends in the middle of a record.
    """
    waiting = bytearray()
    async for piece in stream:
        waiting += piece
        while len(waiting) >= HEAD.size:
            kind, length = HEAD.unpack_from(waiting)
            end = HEAD.size + length
            if len(waiting) < end:
                break
            payload = bytes(memoryview(waiting)[HEAD.size : end])
            del waiting[:end]
            yield Record(Kind(kind), payload)
    if waiting:
        raise ValueError("a part of an export ends in the middle of a record")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"an export has no words for {type(value).__name__}")
