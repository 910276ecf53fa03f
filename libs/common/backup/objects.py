"""The objects of the buckets, many to a file: copied once before the moment of the rows, and what is new after it.

An object's name is never used twice, so a copy is good whenever it was made. Two passes see to it that every row of
the moment finds its objects; objects that no row knows are taken by the services' own sweeps, as always.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from itertools import islice

import bson
from bson.raw_bson import RawBSONDocument

from libs.common.backup.folder import Draft
from libs.common.backup.manifest import FileEntry
from libs.common.exporting import segments
from libs.common.storage import ObjectMissing, Storage, together

AT_ONCE = 8
IN_NONE = frozenset({segments.BUCKET})
"""Buckets that no backup has: an export can be made again."""

Counted = Callable[[int], Awaitable[None]]


async def save(
    storage: Storage, number: int, since: datetime | None, draft: Draft, counted: Counted
) -> list[FileEntry]:
    """Write the objects of all buckets that were stored from a moment on. Args: number: of the pass."""
    files = []
    for bucket in sorted(set(await storage.buckets()) - IN_NONE):
        count = 0
        async with draft.writer(f"objects/{bucket}.{number}.pack") as pack:
            async for names in _few(storage.stored_since(bucket, since)):
                copies = [
                    copy for copy in await together(_copy(storage, bucket, name) for name in names) if copy
                ]
                await asyncio.to_thread(pack.write, b"".join(copies))
                count += len(copies)
                await counted(len(copies))
        files.append(FileEntry(name=pack.name, count=count, size=pack.size, sha256=pack.sha256))
    return files


def bucket_of(name: str) -> str:
    """Return the bucket of a file's objects."""
    return name.removeprefix("objects/").rsplit(".", 2)[0]


async def load(
    storage: Storage,
    bucket: str,
    objects: Iterator[RawBSONDocument],
    without: frozenset[str],
    counted: Counted,
) -> None:
    """Store the objects that a bucket lacks. Args: without: prefixes of erased people: theirs stay gone."""
    while some := await asyncio.to_thread(lambda: list(islice(objects, AT_ONCE))):
        wanted = [each for each in some if each["name"].split("/")[0] not in without]
        await together(_put(storage, bucket, each) for each in wanted)
        await counted(len(some))


async def _few(pages: AsyncIterator[list[str]]) -> AsyncIterator[list[str]]:
    async for page in pages:
        for start in range(0, len(page), AT_ONCE):
            yield page[start : start + AT_ONCE]


async def _copy(storage: Storage, bucket: str, name: str) -> bytes:
    """Return one object as it is kept; nothing where it has gone since it was listed."""
    try:
        data, media_type = await storage.fetch(bucket, name)
    except ObjectMissing:
        return b""
    return bson.encode({"name": name, "media_type": media_type, "data": data})


async def _put(storage: Storage, bucket: str, each: RawBSONDocument) -> None:
    there = await storage.stat(bucket, each["name"])
    if there is None or there.size != len(each["data"]):
        await storage.put(bucket, each["name"], bytes(each["data"]), each["media_type"])
