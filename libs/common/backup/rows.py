"""The rows of a database as they were at one moment, in mongodump's layout: decrypted, `mongorestore` reads them.

A snapshot read outside of a transaction names its moment itself (`atClusterTime`), so one moment holds for all
databases. The server remembers it for `minSnapshotHistoryWindowInSeconds`, five minutes if nothing else is set.

Source:   MongoDB manual, read concern "snapshot" (5.0 and later); mongo-tools, `mongodump`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from bson import Timestamp, json_util
from bson.raw_bson import RawBSONDocument

from libs.common.backup.errors import ProofDiverged, SnapshotLost
from libs.common.backup.folder import METADATA, Draft
from libs.common.backup.manifest import FileEntry
from libs.common.document import Restored
from libs.common.mongo import BulkWriteError, Mongo, OperationFailure, Row

BATCH = 1_000
PLACES = 100
"""So many places are asked about at once: each is a branch of the query."""
MOST = 10_000
SNAPSHOT_LOST = frozenset({239, 246})
"""SnapshotTooOld; SnapshotUnavailable: a collection, or an index of it, was made after the moment."""
DUPLICATE_KEY = 11_000
PRIMARY = "_id_"

Counted = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a collection is besides its rows."""

    name: str
    options: Row
    indexes: list[Row]

    def as_text(self) -> str:
        """Return it as mongodump writes it."""
        value = {
            "options": self.options,
            "indexes": self.indexes,
            "collectionName": self.name,
            "type": "collection",
        }
        return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)

    @classmethod
    def of_text(cls, text: str) -> "Definition":
        """Return what `as_text` made a text of."""
        value = json_util.loads(text)
        return cls(value["collectionName"], value["options"], value["indexes"])


async def definitions(mongo: Mongo) -> list[Definition]:
    """Return the collections of a database, as they are now."""
    listed = await mongo.command(
        {"listCollections": 1, "filter": {"type": "collection"}, "cursor": {"batchSize": MOST}}
    )
    found = [each for each in listed["cursor"]["firstBatch"] if not each["name"].startswith("system.")]
    return [Definition(each["name"], each["options"], await _indexes(mongo, each["name"])) for each in found]


async def moment(mongo: Mongo) -> Timestamp:
    """Return the server's present moment."""
    told: Timestamp = (await mongo.command({"ping": 1}))["operationTime"]
    return told


async def read_at(mongo: Mongo, collection: str, at: Timestamp) -> AsyncIterator[list[RawBSONDocument]]:
    """Yield a collection's rows as they were at a moment. Raises SnapshotLost."""
    concern = {"level": "snapshot", "atClusterTime": at}
    find = {"find": collection, "batchSize": BATCH, "readConcern": concern}
    async with mongo.session() as session:
        try:
            cursor = (await mongo.command(find, raw=True, session=session))["cursor"]
            yield cursor["firstBatch"]
            while cursor["id"]:
                more = {"getMore": cursor["id"], "collection": collection, "batchSize": BATCH}
                cursor = (await mongo.command(more, raw=True, session=session))["cursor"]
                yield cursor["nextBatch"]
        except OperationFailure as error:
            if error.code in SNAPSHOT_LOST:
                raise SnapshotLost from error
            raise


async def save(
    mongo: Mongo, at: Timestamp, left_out: Iterable[str], draft: Draft, counted: Counted
) -> list[FileEntry]:
    """Write a database's collections into a backup, all but those left out. Raises SnapshotLost."""
    skipped, files = set(left_out), []
    for definition in await definitions(mongo):
        if definition.name not in skipped:
            files += await _save(mongo, definition, at, draft, counted)
    return files


async def load(
    mongo: Mongo,
    definition: Definition,
    rows: Iterator[RawBSONDocument],
    counted: Counted,
    *,
    restored: Restored = Restored.AS_SAVED,
) -> None:
    """Make a collection what it was; or, where it is kept, add the rows that it lacks.

    Raises:   ProofDiverged: a row that is kept stands where the backup has another.
    """
    if not restored.keeps:
        await mongo.drop(definition.name)
    if definition.name not in await mongo.collection_names():
        await mongo.command({"create": definition.name, **definition.options})
    if restored.keeps:
        await _index(mongo, definition)
    async for batch in batches(rows):
        await _add(mongo, definition.name, batch)
        if restored is Restored.FURTHEST:
            await _bring_forward(mongo, definition.name, batch)
        await counted(len(batch))
    if not restored.keeps:
        await _index(mongo, definition)


async def require_continued(mongo: Mongo, definition: Definition, rows: Iterator[RawBSONDocument]) -> None:
    """Find out, without a change, whether `load` could add what a kept collection lacks.

    Raises:   ProofDiverged: a row that is kept stands where the backup has another.
    """
    unique = [list(index["key"]) for index in definition.indexes if index.get("unique")]
    there = mongo.collection(definition.name)
    if not unique or not await there.count({}, limit=1):
        return
    async for batch in batches(rows, PLACES):
        for keys in unique:
            taken = [{**{key: row[key] for key in keys}, "_id": {"$ne": row["_id"]}} for row in batch]
            if await there.count({"$or": taken}, limit=1):
                raise _diverged(mongo, definition.name)


async def batches(rows: Iterator[RawBSONDocument], size: int = BATCH) -> AsyncIterator[list[RawBSONDocument]]:
    """Yield rows of a file many at a time, read in a thread."""
    while batch := await asyncio.to_thread(lambda: list(islice(rows, size))):
        yield batch


async def insert(mongo: Mongo, collection: str, batch: list[RawBSONDocument]) -> list[Any]:
    """Insert rows; return what the server says of those whose place is taken."""
    try:
        await mongo.collection(collection).insert_many(cast("list[Row]", batch), ordered=False)
    except BulkWriteError as error:
        faults: list[Any] = error.details["writeErrors"]
        if not faults or any(fault["code"] != DUPLICATE_KEY for fault in faults):
            raise
        return faults
    return []


async def _save(
    mongo: Mongo, definition: Definition, at: Timestamp, draft: Draft, counted: Counted
) -> list[FileEntry]:
    base, count = f"dump/{mongo.database}/{definition.name}", 0
    async with draft.writer(f"{base}.bson") as rows:
        async for batch in read_at(mongo, definition.name, at):
            await asyncio.to_thread(rows.write, b"".join(row.raw for row in batch))
            count += len(batch)
            await counted(len(batch))
    async with draft.writer(f"{base}{METADATA}") as about:
        about.write(definition.as_text().encode())
    return [
        FileEntry(name=file.name, count=number, size=file.size, sha256=file.sha256)
        for file, number in ((about, 1), (rows, count))
    ]


async def _indexes(mongo: Mongo, collection: str) -> list[Row]:
    answer = await mongo.command({"listIndexes": collection, "cursor": {"batchSize": MOST}})
    indexes: list[Row] = answer["cursor"]["firstBatch"]
    return indexes


async def _index(mongo: Mongo, definition: Definition) -> None:
    if wanted := [index for index in definition.indexes if index["name"] != PRIMARY]:
        await mongo.command({"createIndexes": definition.name, "indexes": wanted})


async def _add(mongo: Mongo, collection: str, batch: list[RawBSONDocument]) -> None:
    """Insert rows; one that is there already is no error, one whose place another row has is."""
    if any(set(fault["keyPattern"]) != {"_id"} for fault in await insert(mongo, collection, batch)):
        raise _diverged(mongo, collection)


async def _bring_forward(mongo: Mongo, collection: str, batch: list[RawBSONDocument]) -> None:
    """Take the backup's row where it is further than the one that is there: its chain was added to by the backup."""
    rows = mongo.collection(collection)
    for row in batch:
        behind = {"_id": row["_id"], "sequence": {"$lt": row["sequence"]}}
        await rows.update_one(behind, {"$set": row})


def _diverged(mongo: Mongo, collection: str) -> ProofDiverged:
    return ProofDiverged(f"{mongo.database}.{collection} holds other rows than the backup's")
