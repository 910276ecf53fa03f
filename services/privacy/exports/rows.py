"""The only access to the rows of exports."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.common.mongo import Mongo
from services.privacy.exports.models import Export, ExportedPart, ExportRequest, ExportState

LONGEST_WAIT = timedelta(minutes=5)
SWEPT_AT_ONCE = 100

OPEN = {"open": True}


class ExportRows:
    """The collection `exports`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Export)

    async def add(self, export: Export) -> None:
        """Store an export. Raises DuplicateKeyError: another of the person's is open."""
        await self._rows.insert_one(export.to_mongo())

    async def get(self, user_id: UUID, export_id: UUID) -> Export | None:
        """Return a person's export."""
        return await self._one({"_id": export_id, "user_id": user_id})

    async def latest(self, user_id: UUID) -> Export | None:
        """Return the export that a person asked for last."""
        row = await self._rows.find_one({"user_id": user_id}, sort=[("created_at", -1)])
        return Export.from_mongo(row) if row else None

    async def open_of(self, user_id: UUID) -> Export | None:
        """Return a person's export that is not ready yet."""
        return await self._one({"user_id": user_id, **OPEN})

    async def answering(self, user_id: UUID, request_id: UUID) -> Export | None:
        """Return the export that answers a person's request."""
        return await self._one({"requests.id": request_id, "user_id": user_id})

    async def of(self, user_id: UUID, limit: int) -> list[Export]:
        """Return a person's exports, the latest first."""
        rows = await self._rows.find({"user_id": user_id}, sort=[("created_at", -1)], limit=limit)
        return [Export.from_mongo(row) for row in rows]

    async def join(self, export: Export, request: ExportRequest) -> None:
        """Have an export answer a request as well."""
        change = {"$addToSet": {"requests": request.model_dump()}}
        await self._rows.update_one({"_id": export.id, "user_id": export.user_id}, change)

    async def note_part(self, user_id: UUID, export_id: UUID, holder: str, part: ExportedPart) -> None:
        """Note that a holder's part is there; one that was noted stays."""
        waiting = {"_id": export_id, "user_id": user_id, "state": ExportState.GATHERING.value}
        path = f"parts.{holder}"
        await self._rows.update_one(
            {**waiting, path: {"$exists": False}}, {"$set": {path: part.model_dump()}}
        )

    async def drop_part(self, export: Export, holder: str) -> None:
        """Note that a holder's part is not there after all."""
        ours = {"_id": export.id, "user_id": export.user_id, "state": ExportState.PACKING.value}
        change = {"$set": {"state": ExportState.GATHERING.value}, "$unset": {f"parts.{holder}": ""}}
        await self._rows.update_one(ours, change)

    async def set(self, export: Export, **fields: Any) -> None:
        """Change an export."""
        await self._rows.update_one({"_id": export.id, "user_id": export.user_id}, {"$set": fields})

    async def set_due(self, export: Export, **fields: Any) -> None:
        """Change an export that is to be packed at once: by the database's clock, as all that is due here."""
        at_once = {"$set": fields, "$currentDate": {"due_at": True}}
        await self._rows.update_one({"_id": export.id, "user_id": export.user_id}, at_once)

    async def begin(self, export: Export, attempt: UUID) -> bool:
        """Note a try of packing before it begins; the next one is due after a wait that grows.

        Returns:  False: another worker has packed it, or begun to, since it was read.
        """
        wait = min(timedelta(seconds=2 ** min(export.tries, 10)), LONGEST_WAIT)
        as_read = {"_id": export.id, "user_id": export.user_id, "attempt": export.attempt}
        due_at = {"$add": ["$$NOW", int(wait.total_seconds() * 1_000)]}
        told = {"attempt": attempt, "tries": export.tries + 1, "due_at": due_at}
        waits = {"state": ExportState.PACKING.value}
        return bool(await self._rows.update_one({**as_read, **waits}, [{"$set": told}]))

    async def to_pack(self) -> Export | None:
        """Return the export that waits longest to be packed."""
        due = {"$expr": {"$lte": ["$due_at", "$$NOW"]}}
        row = await self._rows.find_one({"state": ExportState.PACKING.value, **due}, sort=[("due_at", 1)])
        return Export.from_mongo(row) if row else None

    async def expired(self, moment: datetime) -> AsyncIterator[Export]:
        """Yield the exports whose time is over, and whose archives are still there, each once."""
        over = {"state": ExportState.READY.value, "expires_at": {"$lte": moment}}
        async for page in self._rows.pages(over, size=SWEPT_AT_ONCE):
            for row in page:
                yield Export.from_mongo(row)

    async def oldest_open(self) -> datetime | None:
        """Return since when the oldest open export is waited for."""
        row = await self._rows.find_one(OPEN, sort=[("created_at", 1)])
        return row["created_at"] if row else None

    async def count_open(self) -> int:
        """Return how many exports are waited for."""
        return await self._rows.count(OPEN)

    async def for_staff(self, limit: int) -> list[Export]:
        """Return exports of everybody: open ones first, then the latest."""
        rows = await self._rows.find({}, sort=[("open", -1), ("created_at", -1)], limit=limit)
        return [Export.from_mongo(row) for row in rows]

    async def by_case(self, case: UUID) -> Export | None:
        """Return an export by its own id, or by that of a request that it answers."""
        return await self._one({"$or": [{"_id": case}, {"requests.id": case}]})

    async def _one(self, query: Mapping[str, Any]) -> Export | None:
        row = await self._rows.find_one(query)
        return Export.from_mongo(row) if row else None
