"""The only access to the collections about backups, their removal, and restores."""

from dataclasses import asdict
from datetime import datetime

from libs.common.backup.maker import Progress
from libs.common.backup.report import RestoreReport
from libs.common.mongo import Mongo
from services.privacy.models import Backup, BackupRemoval, BackupState

UNFINISHED = (BackupState.WAITING.value, BackupState.RUNNING.value)
MOST_UNFINISHED = 100


class BackupRepository:
    """Backups that were asked for."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Backup)

    async def add(self, backup: Backup) -> None:
        """Store a new one."""
        await self._rows.insert_one(backup.to_mongo())

    async def get(self, backup: str) -> Backup | None:
        """Return one."""
        row = await self._rows.find_one({"_id": backup})
        return Backup.from_mongo(row) if row else None

    async def unfinished(self) -> list[Backup]:
        """Return those that wait or are being made, oldest first."""
        rows = await self._rows.find({"state": {"$in": UNFINISHED}}, sort=[("_id", 1)], limit=MOST_UNFINISHED)
        return [Backup.from_mongo(row) for row in rows]

    async def begin(self, backup: str) -> bool:
        """Note that it is being made; False where another worker has begun it: none is made twice."""
        waits = {"_id": backup, "state": BackupState.WAITING.value}
        return bool(await self._rows.update_one(waits, {"$set": {"state": BackupState.RUNNING.value}}))

    async def tell(self, backup: str, progress: Progress) -> None:
        """Note how far it is."""
        await self._rows.update_one({"_id": backup}, {"$set": asdict(progress)})

    async def end(self, backup: str, at: datetime, reason: str | None = None) -> bool:
        """Note that it is made, or why not; False where it is not being made any more: it ends once."""
        state = BackupState.FAILED if reason else BackupState.DONE
        ended = {"state": state.value, "reason": reason, "ended_at": at, "step": state.value}
        runs = {"_id": backup, "state": BackupState.RUNNING.value}
        return bool(await self._rows.update_one(runs, {"$set": ended}))


class RestoreRepository:
    """Restores that came to their end."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(RestoreReport)

    async def unrecorded(self) -> list[RestoreReport]:
        """Return those that the audit was not told of."""
        rows = await self._rows.find({"recorded": False}, sort=[("restored_at", 1)])
        return [RestoreReport.from_mongo(row) for row in rows]

    async def record(self, restore: str) -> bool:
        """Note that the audit is told; tell whether it was not before."""
        return bool(
            await self._rows.update_one({"_id": restore, "recorded": False}, {"$set": {"recorded": True}})
        )


class RemovalRepository:
    """Backups that are being removed."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(BackupRemoval)

    async def begin(self, removal: BackupRemoval) -> None:
        """Note that one is going to be removed; noted again, it is noted once."""
        row = removal.to_mongo()
        await self._rows.update_one({"_id": row.pop("_id")}, {"$setOnInsert": row}, upsert=True)

    async def begun(self, kind: str) -> list[BackupRemoval]:
        """Return those of a kind that are noted."""
        return [BackupRemoval.from_mongo(row) for row in await self._rows.find({"kind": kind})]

    async def end(self, removal: BackupRemoval) -> bool:
        """Forget one that is gone; tell whether it was not forgotten before."""
        return bool(await self._rows.delete_one({"_id": removal.id}))
