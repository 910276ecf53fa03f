"""A collection of rows with fields that are sealed at rest: its users see them as they were typed."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from libs.common.collection import DEFAULT_LIMIT, Collection, Filter, Row, Sort
from libs.common.sealed_fields import SealedFields


class SealedCollection(Collection):
    """Seals what is written and opens what is read, a page in one hop to a thread (ADR 0035).

    What is written inside of a transaction is sealed there: a transaction that is repeated seals again.
    `aggregate`, `distinct` and change streams give what is stored, and open nothing.
    """

    def __init__(self, raw: Any, fields: SealedFields) -> None:
        super().__init__(raw)
        self._fields = fields

    async def find_one(
        self, query: Filter, *, projection: Filter | None = None, sort: Sort | None = None
    ) -> Row | None:
        """Return the first row that matches, or None."""
        self._fields.check(query, sort or ())
        wider, widened = self._fields.with_owner(projection)
        row = await super().find_one(query, projection=wider, sort=sort)
        return (await self._opened([row], widened))[0] if row else None

    async def find(
        self,
        query: Filter,
        *,
        sort: Sort | None = None,
        limit: int = DEFAULT_LIMIT,
        projection: Filter | None = None,
    ) -> list[Row]:
        """Return the rows that match, at most `limit` of them."""
        self._fields.check(query, sort or ())
        wider, widened = self._fields.with_owner(projection)
        rows = await super().find(query, sort=sort, limit=limit, projection=wider)
        return await self._opened(rows, widened)

    async def stream(
        self, query: Filter, *, sort: Sort | None = None, batch: int = 500, projection: Filter | None = None
    ) -> AsyncIterator[Row]:
        """Yield every row that matches, a batch in memory at a time and opened at once."""
        self._fields.check(query, sort or ())
        wider, widened = self._fields.with_owner(projection)
        waiting: list[Row] = []
        async for row in super().stream(query, sort=sort, batch=batch, projection=wider):
            waiting.append(row)
            if len(waiting) == batch:
                for opened in await self._opened(waiting, widened):
                    yield opened
                waiting = []
        for opened in await self._opened(waiting, widened):
            yield opened

    async def count(self, query: Filter, *, limit: int = 0) -> int:
        """Count the rows that match, by counting them (not from statistics)."""
        self._fields.check(query)
        return await super().count(query, limit=limit)

    async def insert_one(self, row: Row) -> None:
        """Store a row. Raises DuplicateKeyError where a unique index has it already."""
        await super().insert_one((await self._fields.sealed([row]))[0])

    async def insert_many(self, rows: Sequence[Row], *, ordered: bool = True) -> None:
        """Store rows in one round trip; none is stored where `rows` is empty."""
        await super().insert_many(await self._fields.sealed(rows), ordered=ordered)

    def insert_later(self, rows: Sequence[Row]) -> None:  # noqa: ARG002 - the signature is the base class's
        """Refuse: there is no moment left to seal them in. Raises TypeError."""
        raise TypeError(f"{self.name} is sealed at rest: its rows cannot be kept back")

    async def update_one(self, query: Filter, change: Any, *, upsert: bool = False) -> int:
        """Change the first row that matches; return how many matched (or were made)."""
        self._fields.check(query)
        return await super().update_one(query, await self._fields.sealed_change(query, change), upsert=upsert)

    async def update_many(self, query: Filter, change: Any) -> int:
        """Change every row that matches; return how many matched."""
        self._fields.check(query)
        return await super().update_many(query, await self._fields.sealed_change(query, change))

    async def upsert_many(self, changes: Iterable[tuple[Filter, Any]], *, ordered: bool = False) -> None:
        """Apply many (filter, change) pairs in one round trip, making the rows that are missing."""
        sealed = []
        for query, change in changes:
            self._fields.check(query)
            sealed.append((query, await self._fields.sealed_change(query, change)))
        await super().upsert_many(sealed, ordered=ordered)

    async def find_one_and_update(
        self,
        query: Filter,
        change: Any,
        *,
        upsert: bool = False,
        sort: Sort | None = None,
        before: bool = False,
    ) -> Row | None:
        """Change one row in one step; return it as it is after (or was before)."""
        self._fields.check(query, sort or ())
        sealed = await self._fields.sealed_change(query, change)
        row = await super().find_one_and_update(query, sealed, upsert=upsert, sort=sort, before=before)
        return (await self._fields.opened([row]))[0] if row else None

    async def _opened(self, rows: Sequence[Row], widened: bool) -> list[Row]:
        opened = await self._fields.opened(rows)
        return self._fields.without_owner(opened) if widened else opened
