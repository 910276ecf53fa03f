"""The only door to MongoDB: client, database and transactions, over motor or PyMongo Async (ADR 0002).

The two drivers differ in a few calls only (a cursor-returning `aggregate` and `watch` are awaited in PyMongo
Async, `start_session` is awaited in motor); that difference lives here and in `collection.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from bson import Timestamp, UuidRepresentation, encode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
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

from libs.common.collection import Collection, Filter, Row, run_transaction
from libs.common.document import Document
from libs.common.privacy.annotations import sealed_fields
from libs.common.sealed_collection import SealedCollection
from libs.common.sealed_fields import SealedFields, Seals
from libs.common.settings import CommonSettings, MongoDriver
from libs.common.transactions import (
    NoTransaction,
    awaited,
    require_transaction,
)

T = TypeVar("T")

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


class Mongo:
    """One service's database. Made in the composition root; it connects at first use.

    Args:     seals: what the fields are sealed with that are sealed at rest; without it nothing of such rows is read
              or written but what is plain.
    """

    def __init__(self, client: Any, database: str, seals: Seals | None = None) -> None:
        self.client = client
        self.database: str = database
        self.seals = seals
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
        """Return the collection of a document class; of a name, as it is stored, with nothing opened."""
        if isinstance(of, str):
            return Collection(self._raw[of])
        if not sealed_fields(of):
            return Collection(self._raw[of.collection])
        return SealedCollection(self._raw[of.collection], SealedFields(of, self.seals))

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

    async def time(self) -> datetime:
        """Return the present by the server's clock. Not inside a transaction."""
        told: datetime = (await self._raw.command("hello", codec_options=STORED))["localTime"]
        return told

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
    "Filter",
    "Mongo",
    "NoTransaction",
    "OperationFailure",
    "PyMongoError",
    "Row",
    "require_transaction",
    "row_bytes",
]
