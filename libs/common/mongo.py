"""The only door to MongoDB: client, collections and transactions, over motor or PyMongo Async (ADR 0002).

The two drivers differ in a few calls only (a cursor-returning `aggregate` and `watch` are awaited in PyMongo
Async, `start_session` is awaited in motor); that difference lives here and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from bson import Timestamp, UuidRepresentation, decode_all, encode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from libs.common.document import Document, Index
from libs.common.settings import CommonSettings, MongoDriver
from libs.common.transactions import (
    NoTransaction,
    awaited,
    current_session,
    keep_back,
    repeated,
    require_transaction,
)

T = TypeVar("T")
Filter = Mapping[str, Any]
Row = dict[str, Any]
Sort = Sequence[tuple[str, int]]

PASSING_ERRORS: tuple[type[Exception], ...] = (
    AutoReconnect,
    ConnectionFailure,
    NetworkTimeout,
    WaitQueueTimeoutError,
)
"""Failures that pass by themselves once the server is back."""

STORED: CodecOptions[Row] = CodecOptions(tz_aware=True, uuid_representation=UuidRepresentation.STANDARD)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
APPNAME = "pixera"
TIMEOUT_MS = 10_000
POOL_SIZE = 64
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
        if current_session() is None:
            return await run_transaction(
                self.raw.database.client,
                lambda: self.find_one_and_update(query, change, upsert=upsert, sort=sort, before=before),
            )
        which = ReturnDocument.BEFORE if before else ReturnDocument.AFTER
        found: Row | None = await self.raw.find_one_and_update(
            query, change, upsert=upsert, sort=sort, return_document=which, session=current_session()
        )
        return found

    async def delete_one(self, query: Filter) -> int:
        """Delete the first row that matches; return how many went."""
        return int((await self.raw.delete_one(query, session=current_session())).deleted_count)

    async def delete_many(self, query: Filter) -> int:
        """Delete every row that matches; return how many went."""
        return int((await self.raw.delete_many(query, session=current_session())).deleted_count)

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

    async def ensure_indexes(self, indexes: Iterable[Index]) -> None:
        """Make the collection and the indexes that are missing."""
        for index in indexes:
            options: Row = {"unique": index.unique}
            if index.expire_after is not None:
                options["expireAfterSeconds"] = int(index.expire_after.total_seconds())
            if index.partial is not None:
                options["partialFilterExpression"] = index.partial
            await self.raw.create_index(list(index.keys), **options)


class Mongo:
    """One service's database. Made in the composition root; it connects at first use."""

    def __init__(self, client: Any, database: str) -> None:
        self.client = client
        self.database: str = database
        self._raw = client.get_database(
            database,
            write_concern=WriteConcern("majority", wtimeout=TIMEOUT_MS),
            read_concern=ReadConcern("majority"),
        )

    @classmethod
    def connect(cls, settings: CommonSettings, database: str, *, appname: str = APPNAME) -> "Mongo":
        """Make a client for one service's database. Args: appname: how the server names its connections."""
        return cls(_client(settings, appname), settings.mongo_database_prefix + database)

    def beside(self, database: str) -> "Mongo":
        """Return another database over the same client. Args: database: with the platform's prefix."""
        return Mongo(self.client, database)

    def collection(self, of: type[Document] | str) -> Collection:
        """Return the collection of a document class, or of a name."""
        return Collection(self._raw[of if isinstance(of, str) else of.collection])

    async def collection_names(self) -> list[str]:
        """Return the names of all collections that exist."""
        names: list[str] = await self._raw.list_collection_names()
        return names

    async def prepare(self, documents: Iterable[type[Document]]) -> None:
        """Make collections and indexes before the first transaction needs them."""
        existing = set(await self.collection_names())
        for document in documents:
            if document.collection not in existing:
                await self._create(document.collection)
            await self.collection(document).ensure_indexes(document.indexes)

    async def _create(self, name: str) -> None:
        try:
            await self._raw.create_collection(name)
        except PyMongoError:  # another process was faster
            if name not in await self.collection_names():
                raise

    async def command(self, command: Row, *, raw: bool = False, session: Any = None) -> Any:
        """Run a command of the server; `raw` leaves the documents of its answer undecoded."""
        options = {"codec_options": RAW} if raw else {}
        return await self._raw.command(command, session=session, **options)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        """Open a session of the driver, without a transaction: what one command began, the next may go on with."""
        async with await awaited(self.client.start_session()) as session:
            yield session

    @asynccontextmanager
    async def changes_since(self, moment: Timestamp, kept: Filter) -> AsyncIterator[Any]:
        """Open the stream of the changes of all databases after a moment. Args: kept: which; their keys alone."""
        after = Timestamp(moment.time, moment.inc + 1)  # a stream includes where it starts: the moment itself
        pipeline = [{"$match": kept}, {"$project": {"ns": 1, "documentKey": 1}}]
        options: Row = {"start_at_operation_time": after, "max_await_time_ms": TIMEOUT_MS}
        async with await awaited(self.client.watch(pipeline, **options)) as stream:
            yield stream

    async def drop(self, collection: str) -> None:
        """Drop a collection, where there is one."""
        await self._raw.drop_collection(collection)

    async def ping(self) -> None:
        """Return once the server answers."""
        await self._raw.command("ping")

    async def transaction(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` in one transaction; every Collection call inside joins it.

        `work` may run more than once: it is repeated after a passing conflict, so it holds writes to this
        database and nothing else. Inside an open transaction it joins that one.

        Raises:   what `work` raises, nothing being written; or what still stands in the way after a while.
        """
        return await run_transaction(self.client, work)

    async def close(self) -> None:
        """Close the connections. Motor blocks in it while a server hangs, so a thread calls it."""
        await awaited(await asyncio.to_thread(self.client.close))


async def run_transaction(client: Any, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` in the open transaction, or in a new one. See `Mongo.transaction`."""
    if current_session() is not None:
        return await work()
    async with await awaited(client.start_session()) as session:
        begin = partial(session.start_transaction, ReadConcern("snapshot"), WriteConcern("majority"))
        return await repeated(session, begin, work)


def row_bytes(row: Row) -> bytes:
    """Return a row as it lies in the database, byte for byte."""
    return encode(row, codec_options=STORED)


def _client(settings: CommonSettings, appname: str) -> Any:
    """Return a client of the driver that the settings name; imported here, so that only one is loaded."""
    options: Row = {
        "uuidRepresentation": "standard",
        "tz_aware": True,
        "serverSelectionTimeoutMS": TIMEOUT_MS,
        "socketTimeoutMS": 3 * TIMEOUT_MS,
        "connectTimeoutMS": TIMEOUT_MS,
        "waitQueueTimeoutMS": TIMEOUT_MS,
        "maxPoolSize": POOL_SIZE,
        "retryWrites": True,
        "appname": appname,
    }
    uri = settings.mongo_uri.get_secret_value()
    if settings.mongo_driver is MongoDriver.MOTOR:
        from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415 - only one driver is loaded

        return AsyncIOMotorClient(uri, **options)
    from pymongo import AsyncMongoClient  # noqa: PLC0415 - only one driver is loaded

    return AsyncMongoClient(uri, **options)


__all__ = [
    "PASSING_ERRORS",
    "BulkWriteError",
    "Collection",
    "DuplicateKeyError",
    "Mongo",
    "NoTransaction",
    "OperationFailure",
    "PyMongoError",
    "require_transaction",
    "row_bytes",
]
