"""What is kept for a time goes when the time is over: rows, single fields, and what the law had kept."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.document import Index
from libs.common.mongo import Collection, Mongo
from libs.common.privacy.holdings import CollectionHolding, Holdings, Pseudonymise
from libs.common.privacy.metrics import EXPIRED
from libs.common.privacy.progress import Progress
from libs.common.privacy.rows import UNTIL

BATCH = 1_000
MOST_FROZEN = 10_000


class RetentionSweep:
    """Ends retentions in one service's database, as the fields declare them."""

    def __init__(self, holdings: Holdings, mongo: Mongo, progress: Progress) -> None:
        self._holdings, self._mongo, self._progress = holdings, mongo, progress

    async def prepare(self) -> None:
        """Make the indexes by which the sweep finds its rows."""
        for holding in self._holdings.collections:
            wanted = []
            if holding.row_period or holding.field_periods:
                wanted.append(Index(((holding.made_at, 1),)))
            if isinstance(holding.erase, Pseudonymise):
                wanted.append(Index(((UNTIL, 1),), partial={UNTIL: {"$type": "date"}}))
            await self._of(holding).ensure_indexes(wanted)

    async def run(self, now: datetime) -> dict[str, int]:
        """End every retention that is over; return how many rows or fields went, by holding.

        People whose erasure is open are left out: what was counted for them goes by their erasure alone.
        """
        frozen = await self._progress.unfinished(MOST_FROZEN)
        swept: dict[str, int] = {}
        for holding in self._holdings.collections:
            name = self._holdings.name_of(holding)
            swept[name] = await self._sweep(holding, now, frozen)
            EXPIRED.labels(name).inc(swept[name])
        return swept

    async def _sweep(self, holding: CollectionHolding, now: datetime, frozen: list[UUID]) -> int:
        swept = 0
        ours = {**(holding.where or {}), holding.subject: {"$nin": frozen}}
        if isinstance(holding.erase, Pseudonymise):
            swept += await self._delete(holding, {UNTIL: {"$lt": now}})
        if period := holding.row_period:
            swept += await self._delete(
                holding, {**ours, holding.made_at: {"$lt": now - period}, UNTIL: None}
            )
        for path, period in holding.field_periods.items():
            old = {**ours, holding.made_at: {"$lt": now - period}, path: {"$exists": True}}
            swept += await self._unset(holding, old, path)
        return swept

    async def _delete(self, holding: CollectionHolding, over: dict[str, Any]) -> int:
        rows = self._of(holding)
        return sum(
            [await rows.delete_many({**over, "_id": {"$in": ids}}) async for ids in _batches(rows, over)]
        )

    async def _unset(self, holding: CollectionHolding, over: dict[str, Any], path: str) -> int:
        rows, change = self._of(holding), {"$unset": {path: ""}}
        return sum(
            [
                await rows.update_many({**over, "_id": {"$in": ids}}, change)
                async for ids in _batches(rows, over)
            ]
        )

    def _of(self, holding: CollectionHolding) -> Collection:
        return self._mongo.collection(holding.document)


async def _batches(rows: Collection, query: dict[str, Any]) -> AsyncIterator[list[Any]]:
    """Yield keys of rows that match, until none is left; whoever takes them makes them stop matching."""
    while ids := [row["_id"] for row in await rows.find(query, projection={"_id": 1}, limit=BATCH)]:
        yield ids
