"""The independent scan: reads every database and bucket for what is left of a person.

It shares no code with the erasure: its own client, its own queries, and what exists is asked of the servers
themselves. The declarations only tell where an id should be; a collection that they do not know is a finding.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

from libs.common.clock import now
from libs.common.mongo import Mongo
from libs.common.storage import Storage
from libs.common.vault.keys import key_name
from services.privacy.scan_map import ScanMap, Sort, load
from services.privacy.settings import PrivacySettings

GENERIC_ROWS = 500
"""Rows read from a collection without declared subjects, the newest: what leaked in leaked lately."""

AT_ONCE = 16
RETAINED_UNTIL = "retained_until"
"""Where a row says until when the law keeps it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be there.

    Args:     kind: row, object, key, stray-id or unmapped; where: no personal data.
    """

    kind: str
    where: str
    count: int


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What was read, and what was found."""

    started_at: datetime
    finished_at: datetime
    databases: int
    collections: int
    rows_read: int
    buckets: int
    findings: tuple[Finding, ...]

    @property
    def total(self) -> int:
        """Return how many things were found."""
        return sum(finding.count for finding in self.findings)


class Scans(Protocol):
    """Looks for a person everywhere."""

    async def scan(self, user_id: UUID, locators: Iterable[str]) -> ScanReport:
        """Return what is left of the person."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    findings: tuple[Finding, ...] = ()
    rows: int = 0


class Scanner:
    """Scans databases whose names begin with the prefix, and all buckets.

    Args:     mongo, storage: clients of its own, not the service's.
    """

    def __init__(self, mongo: Mongo, storage: Storage, settings: PrivacySettings) -> None:
        self._mongo, self._storage = mongo, storage
        self._prefix, self._data_map = settings.mongo_database_prefix, settings.data_map
        self._pseudonym_key = settings.pseudonym_key

    async def scan(self, user_id: UUID, locators: Iterable[str]) -> ScanReport:
        """Return what is left of the person.

        Args:     locators: prefixes of the person's objects.
        Raises:   Unavailable and the drivers' passing errors: nothing was proven, try again.
        """
        started_at = now()
        places, (in_objects, bucket_count) = await asyncio.gather(
            self._collections(), self._scan_objects(user_id, locators)
        )
        reads = await _bounded(partial(self._scan_collection, *place, user_id) for place in places)
        found = [finding for read in [*reads, *in_objects] for finding in read.findings]
        return ScanReport(
            started_at=started_at,
            finished_at=now(),
            databases=len({database for database, _ in places}),
            collections=len(places),
            rows_read=sum(read.rows for read in reads),
            buckets=bucket_count,
            findings=tuple(found),
        )

    async def retained(self, holding: str, before: datetime) -> bool:
        """Tell whether anybody's rows of a holding are there that the law lets go of before a moment.

        Whose they are nobody can tell any more: that of all of them none is left is what proves it of each.

        Raises:   the drivers' passing errors: nothing was proven, try again.
        """
        service, _, collection = holding.partition(":")[0].partition(".")
        rows = self._database(self._prefix + service).collection(collection)
        return await rows.count({RETAINED_UNTIL: {"$lt": before}}, limit=1) > 0

    async def _collections(self) -> list[tuple[str, str]]:
        """Return every (database, collection) of the platform that exists now, as the server lists them."""
        names = [
            name for name in await self._mongo.client.list_database_names() if name.startswith(self._prefix)
        ]
        listed = await asyncio.gather(*(self._database(name).collection_names() for name in names))
        return [
            (database, collection)
            for database, collections in zip(names, listed, strict=True)
            for collection in collections
            if not collection.startswith("system.")
        ]

    @property
    def _map(self) -> ScanMap:
        return load(self._data_map)

    def _database(self, name: str) -> Mongo:
        return Mongo(self._mongo.client, name)

    async def _scan_collection(self, database: str, collection: str, user_id: UUID) -> _Read:
        service = database.removeprefix(self._prefix)
        where = f"{service}.{collection}"
        match self._map.sort_of(service, collection):
            case Sort.OF_PEOPLE:
                return await self._count_rows(database, collection, user_id, where)
            case Sort.ABOUT_NOBODY:
                return await self._read_rows(database, collection, user_id, where)
            case Sort.KEYS:
                return await self._count_keys(database, collection, user_id, where)
            case Sort.MADE_FOR_THE_ID:
                return _Read()
            case Sort.UNKNOWN:
                read = await self._read_rows(database, collection, user_id, where)
                return _Read((Finding("unmapped", where, 1), *read.findings), read.rows)

    async def _count_rows(self, database: str, collection: str, user_id: UUID, where: str) -> _Read:
        """Count rows of the person by the declared paths: indexed, in either form of the id."""
        rows = self._database(database).collection(collection)
        paths = self._map.subjects[database.removeprefix(self._prefix), collection]
        either = {"$in": [user_id, str(user_id)]}
        counts = await asyncio.gather(*(rows.count({path: either}) for path in dict.fromkeys(paths)))
        return _Read((Finding("row", where, total),) if (total := sum(counts)) else ())

    async def _count_keys(self, database: str, collection: str, user_id: UUID, where: str) -> _Read:
        """Count keys by their name; what a destroyed one leaves has no material, and is kept. Look for the id too."""
        rows = self._database(database).collection(collection)
        keys = await rows.count(
            {"keyAltNames": key_name(self._pseudonym_key, user_id), "keyMaterial": {"$exists": True}}
        )
        read = await self._read_rows(database, collection, user_id, where)
        return _Read((*read.findings, Finding("key", where, keys)), read.rows) if keys else read

    async def _read_rows(self, database: str, collection: str, user_id: UUID, where: str) -> _Read:
        """Read rows that should be about nobody, and look for the id in any form, anywhere in them."""
        rows = (
            await self._database(database)
            .collection(collection)
            .find({}, sort=[("$natural", -1)], limit=GENERIC_ROWS)
        )
        needles = _Needles.of(user_id)
        hits = sum(needles.are_in(row) for row in rows)
        return _Read((Finding("stray-id", where, hits),) if hits else (), len(rows))

    async def _scan_objects(self, user_id: UUID, locators: Iterable[str]) -> tuple[Sequence[_Read], int]:
        """List every object version under the person's prefixes in every bucket."""
        buckets = await self._storage.buckets()
        prefixes = sorted({*locators, str(user_id), user_id.hex})
        reads = await _bounded(
            partial(self._list_versions, bucket, f"{prefix}/") for bucket in buckets for prefix in prefixes
        )
        return reads, len(buckets)

    async def _list_versions(self, bucket: str, prefix: str) -> _Read:
        count = sum([len(page) async for page in self._storage.pages(bucket, prefix)])
        return _Read((Finding("object", bucket, count),) if count else ())


@dataclass(frozen=True, slots=True)
class _Needles:
    """One id in the forms it could hide in."""

    value: UUID
    texts: tuple[str, ...]
    raw: tuple[bytes, ...]

    @classmethod
    def of(cls, user_id: UUID) -> "_Needles":
        texts = (str(user_id), user_id.hex)
        return cls(user_id, texts, (user_id.bytes, *(text.encode() for text in texts)))

    def are_in(self, value: Any) -> bool:
        """Tell whether the id is anywhere inside a stored value."""
        if isinstance(value, dict):
            return any(self.are_in(key) or self.are_in(inner) for key, inner in value.items())
        if isinstance(value, list | tuple):
            return any(self.are_in(inner) for inner in value)
        if isinstance(value, str):
            lowered = value.lower()
            return any(text in lowered for text in self.texts)
        if isinstance(value, bytes):
            return any(raw in value for raw in self.raw)
        return bool(value == self.value)


async def _bounded(calls: Iterable[Callable[[], Awaitable[T]]]) -> Sequence[T]:
    """Run calls side by side, so many at once; one that waits for room has not begun when all are cancelled."""
    room = asyncio.Semaphore(AT_ONCE)

    async def run(call: Callable[[], Awaitable[T]]) -> T:
        async with room:
            return await call()

    return await asyncio.gather(*(run(call) for call in calls))
