"""One collection of MongoDB, over motor or PyMongo Async, inside of transactions and outside of them (ADR 0002)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from bson import decode_all
from pymongo import ReturnDocument, UpdateOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from libs.common.document import Index
from libs.common.transactions import awaited, current_session, keep_back, repeated

T = TypeVar("T")
Filter = Mapping[str, Any]
Row = dict[str, Any]
Sort = Sequence[tuple[str, int]]

DEFAULT_LIMIT = 1_000


async def _next_batch(cursor: Any) -> bytes:
    """Return a cursor's next batch of raw documents; nothing where there is none for a while.

    Cancelled, it leaves the step under way to end by itself, which it does when the cursor is closed.
    """
    step = asyncio.ensure_future(cursor.next())
    try:
        raw: bytes = await asyncio.shield(step)
    except StopAsyncIteration:
        return b""
    except asyncio.CancelledError:
        step.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise
    return raw


class Collection:
    """One collection. Every call joins the transaction that is open around it, if there is one."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.name: str = raw.name

    async def find_one(
        self, query: Filter, *, projection: Filter | None = None, sort: Sort | None = None
    ) -> Row | None:
        """Return the first row that matches, or None."""
        found: Row | None = await self.raw.find_one(query, projection, sort=sort, session=current_session())
        return found

    async def find(
        self,
        query: Filter,
        *,
        sort: Sort | None = None,
        limit: int = DEFAULT_LIMIT,
        projection: Filter | None = None,
    ) -> list[Row]:
        """Return the rows that match, at most `limit` of them."""
        cursor = self.raw.find(query, projection, sort=sort, limit=limit, session=current_session())
        rows: list[Row] = await cursor.to_list(limit)
        return rows

    async def stream(
        self, query: Filter, *, sort: Sort | None = None, batch: int = 500, projection: Filter | None = None
    ) -> AsyncIterator[Row]:
        """Yield every row that matches, a batch in memory at a time."""
        cursor = self.raw.find(query, projection, sort=sort, batch_size=batch, session=current_session())
        async for row in cursor:
            yield row

    async def pages(
        self, query: Filter, *, by: str = "_id", size: int, projection: Filter | None = None
    ) -> AsyncIterator[list[Row]]:
        """Yield the rows that match in the order of a field, page by page, each looked for behind the last.

        No cursor is open while somebody works on a page, and a row that stays as it is comes once: for sweeps, where
        `stream` would lose its cursor and a first page would never end.

        Args:     by: a field that is not sealed, which each of these rows has, and the projection.
        """
        order = list(dict.fromkeys([(by, 1), ("_id", 1)]))
        behind: Filter = {}
        while rows := await self.find(
            {"$and": [query, behind]}, sort=order, limit=size, projection=projection
        ):
            yield rows
            last = rows[-1]
            behind = {"$or": [{by: {"$gt": last[by]}}, {by: last[by], "_id": {"$gt": last["_id"]}}]}

    async def count(self, query: Filter, *, limit: int = 0) -> int:
        """Count the rows that match, by counting them (not from statistics)."""
        options = {"limit": limit} if limit else {}
        counted: int = await self.raw.count_documents(query, session=current_session(), **options)
        return counted

    async def distinct(self, field: str, query: Filter) -> list[Any]:
        """Return the different values of a field."""
        values: list[Any] = await self.raw.distinct(field, query, session=current_session())
        return values

    async def aggregate(self, pipeline: Sequence[Filter], *, limit: int = DEFAULT_LIMIT) -> list[Row]:
        """Run a pipeline and return at most `limit` of its rows."""
        cursor = await awaited(self.raw.aggregate(list(pipeline), session=current_session()))
        rows: list[Row] = await cursor.to_list(limit)
        return rows

    async def insert_one(self, row: Row) -> None:
        """Store a row. Raises DuplicateKeyError where a unique index has it already."""
        await self.raw.insert_one(row, session=current_session())

    async def insert_many(self, rows: Sequence[Row], *, ordered: bool = True) -> None:
        """Store rows in one round trip; none is stored where `rows` is empty."""
        if rows:
            await self.raw.insert_many(rows, ordered=ordered, session=current_session())

    def insert_later(self, rows: Sequence[Row]) -> None:
        """Store rows when the open transaction is about to commit, with all others kept back for it.

        For rows that nothing reads before: many small inserts become one round trip.

        Raises:   NoTransaction: there is none open.
        """
        keep_back(self.raw, rows)

    async def update_one(self, query: Filter, change: Any, *, upsert: bool = False) -> int:
        """Change the first row that matches; return how many matched (or were made)."""
        done = await self.raw.update_one(query, change, upsert=upsert, session=current_session())
        return int(done.matched_count) or int(done.upserted_id is not None)

    async def update_many(self, query: Filter, change: Any) -> int:
        """Change every row that matches; return how many matched."""
        done = await self.raw.update_many(query, change, session=current_session())
        return int(done.matched_count)

    async def upsert_many(self, changes: Iterable[tuple[Filter, Any]], *, ordered: bool = False) -> None:
        """Apply many (filter, change) pairs in one round trip, making the rows that are missing."""
        operations = [UpdateOne(query, change, upsert=True) for query, change in changes]
        if operations:
            await self.raw.bulk_write(operations, ordered=ordered, session=current_session())

    async def find_one_and_update(
        self,
        query: Filter,
        change: Any,
        *,
        upsert: bool = False,
        sort: Sort | None = None,
        before: bool = False,
    ) -> Row | None:
        """Change one row in one step; return it as it is after (or was before).

        Outside of a transaction it opens one: for a retryable findAndModify the server else keeps a copy of the
        row in `config.image_collection`, where no erasure would find it.
        """
        which = ReturnDocument.BEFORE if before else ReturnDocument.AFTER

        async def update() -> Row | None:
            found: Row | None = await self.raw.find_one_and_update(
                query, change, upsert=upsert, sort=sort, return_document=which, session=current_session()
            )
            return found

        return await run_transaction(self.raw.database.client, update)

    async def delete_one(self, query: Filter) -> int:
        """Delete the first row that matches; return how many went."""
        return int((await self.raw.delete_one(query, session=current_session())).deleted_count)

    async def delete_many(self, query: Filter) -> int:
        """Delete every row that matches; return how many went."""
        return int((await self.raw.delete_many(query, session=current_session())).deleted_count)

    async def delete_some(self, query: Filter, at_most: int) -> int:
        """Delete rows that match, so many at most; return how many went. What is large goes piece by piece."""
        options = {"limit": at_most, "session": current_session()}
        keys = [row["_id"] for row in await self.raw.find(query, {"_id": 1}, **options).to_list(at_most)]
        return await self.delete_many({"_id": {"$in": keys}}) if keys else 0

    @asynccontextmanager
    async def watch(self, pipeline: Sequence[Filter] = (), **options: Any) -> AsyncIterator[Any]:
        """Open a change stream; iterate it for changes in the order they were committed."""
        async with await awaited(self.raw.watch(list(pipeline), **options)) as stream:
            yield stream

    async def inserts(self, *, batch: int = 1_000) -> AsyncIterator[list[Row]]:
        """Yield the rows that are inserted from now on, in the order they were committed, many at once.

        An empty list comes first: what is committed after it is not missed. Raw batches are decoded here: motor
        takes a thread hop for each step of a cursor, which is a batch this way and not a row.
        """
        since = (await self.raw.database.command("ping"))["operationTime"]
        pipeline = [
            {"$changeStream": {"startAtOperationTime": since}},
            {"$match": {"operationType": "insert"}},
            {"$project": {"fullDocument": 1}},
        ]
        yield []
        cursor = await awaited(self.raw.aggregate_raw_batches(pipeline, batchSize=batch))
        try:
            while cursor.alive:
                changes = decode_all(await _next_batch(cursor), self.raw.codec_options)
                yield [change["fullDocument"] for change in changes]
        finally:
            await awaited(cursor.close())

    async def expiries(self) -> dict[str, float]:
        """Return by which fields the server removes rows, as it says itself, and how many seconds after each."""
        indexes = await self.raw.index_information()
        return {
            each["key"][0][0]: float(each["expireAfterSeconds"])
            for each in indexes.values()
            if "expireAfterSeconds" in each
        }

    async def ensure_indexes(self, indexes: Iterable[Index]) -> None:
        """Make the collection and the indexes that are missing."""
        for index in indexes:
            options: Row = {"unique": index.unique}
            if index.expire_after is not None:
                options["expireAfterSeconds"] = int(index.expire_after.total_seconds())
            if index.partial is not None:
                options["partialFilterExpression"] = index.partial
            await self.raw.create_index(list(index.keys), **options)


async def run_transaction(client: Any, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` in the open transaction, or in a new one. See `libs.common.mongo.Mongo.transaction`."""
    if current_session() is not None:
        return await work()
    async with await awaited(client.start_session()) as session:
        begin = partial(session.start_transaction, ReadConcern("snapshot"), WriteConcern("majority"))
        return await repeated(session, begin, work)
