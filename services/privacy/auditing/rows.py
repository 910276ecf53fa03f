"""The only access to the audit ledger's collections. Nothing here changes or removes an entry."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.audit_ledger import Chain
from libs.common.merkle import Frontier
from libs.common.mongo import Mongo
from libs.common.pagination import after_cursor
from services.privacy.auditing.models import AuditCheckpoint, AuditEntry, AuditHead


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None: any. Args: subject: a pseudonym; since, until: of what was done."""

    stream: str | None = None
    action: str | None = None
    actor: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def query(self) -> dict[str, Any]:
        """Return it as a filter."""
        fields = {"stream": self.stream, "action": self.action, "actor": self.actor, "subject": self.subject}
        query: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
        span = {"$gte": self.since, "$lt": self.until}
        if within := {bound: moment for bound, moment in span.items() if moment is not None}:
            query["at"] = within
        return query


class AuditRows:
    """Entries, the heads of their streams, and checkpoints."""

    def __init__(self, mongo: Mongo) -> None:
        self._entries, self._heads = mongo.collection(AuditEntry), mongo.collection(AuditHead)
        self._checkpoints = mongo.collection(AuditCheckpoint)

    async def lock(self, stream: str) -> Chain:
        """Return a stream's end, and keep every other transaction from moving it until this one ends."""
        row = await self._heads.find_one_and_update({"_id": stream}, {"$inc": {"batches": 1}}, upsert=True)
        return chain_of(AuditHead.from_mongo(row or {"_id": stream}))

    async def append(self, stream: str, entries: Sequence[AuditEntry], chain: Chain) -> None:
        """Store a stream's next entries, in an open transaction that has locked it. Args: chain: the end after."""
        await self._entries.insert_many([entry.to_mongo() for entry in entries])
        moved = {"sequence": chain.sequence, "hash": chain.hash, "peaks": chain.tree.peaks}
        await self._heads.update_one({"_id": stream}, {"$set": moved})

    async def heads(self) -> list[AuditHead]:
        """Return the heads of all streams that have one, by name."""
        return [AuditHead.from_mongo(row) for row in await self._heads.find({}, sort=[("_id", 1)])]

    async def streams(self) -> list[str]:
        """Return the names of all streams that have entries."""
        return sorted(await self._entries.distinct("stream", {}))

    async def page(self, wanted: Wanted, cursor: str | None, limit: int) -> list[AuditEntry]:
        """Return entries, the latest first."""
        query: Mapping[str, Any] = {"$and": [wanted.query, after_cursor(cursor, made_at="at")]}
        rows = await self._entries.find(query, sort=[("at", -1), ("_id", -1)], limit=limit)
        return [AuditEntry.from_mongo(row) for row in rows]

    async def after(self, stream: str, sequence: int, limit: int) -> list[AuditEntry]:
        """Return entries stream by stream, each in its order, from behind one."""
        behind = [{"stream": stream, "sequence": {"$gt": sequence}}, {"stream": {"$gt": stream}}]
        rows = await self._entries.find({"$or": behind}, sort=[("stream", 1), ("sequence", 1)], limit=limit)
        return [AuditEntry.from_mongo(row) for row in rows]

    async def stream(self, name: str, up_to: int | None) -> AsyncIterator[AuditEntry]:
        """Yield a stream's entries in order, a batch in memory at a time."""
        query: dict[str, Any] = {"stream": name}
        if up_to is not None:
            query["sequence"] = {"$lte": up_to}
        async for row in self._entries.stream(query, sort=[("sequence", 1)]):
            yield AuditEntry.from_mongo(row)

    async def add_checkpoint(self, checkpoint: AuditCheckpoint) -> None:
        """Store a checkpoint."""
        await self._checkpoints.insert_one(checkpoint.to_mongo())

    async def last_checkpoint(self) -> AuditCheckpoint | None:
        """Return the latest checkpoint."""
        rows = await self._checkpoints.find({}, sort=[("_id", -1)], limit=1)
        return AuditCheckpoint.from_mongo(rows[0]) if rows else None

    async def checkpoints(self, after: UUID | None, limit: int) -> list[AuditCheckpoint]:
        """Return checkpoints, the oldest first."""
        query = {} if after is None else {"_id": {"$gt": after}}
        rows = await self._checkpoints.find(query, sort=[("_id", 1)], limit=limit)
        return [AuditCheckpoint.from_mongo(row) for row in rows]


def chain_of(head: AuditHead) -> Chain:
    """Return a stream's end as its head says it."""
    return Chain(head.hash, Frontier(head.sequence, list(head.peaks)))
