"""How far a person's erasure has come, kept on the tombstone so that any process can go on after any crash.

Counts stay exact because nothing is counted apart from its deletion: rows in the transaction that deletes them,
object versions by a chunk that is written down before they go and counted once when they are gone. One process
at a time lists and deletes objects; the others are told to come back later.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from libs.common.clock import new_id
from libs.common.errors import Unavailable
from libs.common.mongo import Mongo
from libs.common.privacy.tombstones import UNDER_WAY, Asked, Chunk, ErasureReceipt, Tombstone

CLAIM_MS = 5_000


class ErasureUnderWay(Unavailable):
    """Another process erases this person now, or died doing so a moment ago."""

    code, title = "erasure-under-way", "This is being erased already"


class TombstoneLost(Unavailable):
    """The tombstone is gone: the database was restored in the middle of an erasure, which begins again."""

    code, title = "tombstone-lost", "The erasure has to begin again"


@dataclass(slots=True)
class Tally:
    """What one transaction, or one chunk, did; by holding."""

    erased: Counter[str] = field(default_factory=Counter)
    retained: Counter[str] = field(default_factory=Counter)
    until: dict[str, datetime] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Take in what another part did."""
        self.erased += other.erased
        self.retained += other.retained
        self.until |= {name: max(date, self.until.get(name, date)) for name, date in other.until.items()}

    @property
    def total(self) -> int:
        """Return how many rows and versions were dealt with."""
        return self.erased.total() + self.retained.total()


class Claim:
    """The right to delete one person's objects; it ends by itself soon after its process died."""

    def __init__(self, mongo: Mongo, tombstone: Tombstone, claim: UUID) -> None:
        self._rows = mongo.collection(Tombstone)
        self._id = claim
        self.tombstone = tombstone

    async def open(self, chunk: Chunk) -> str:
        """Write down what is about to be deleted, and prolong the claim; return the chunk's key.

        Raises:   ErasureUnderWay: the claim has gone to another process.
        """
        key = new_id().hex
        change = {"$set": {f"chunks.{key}": chunk.model_dump()}, "$currentDate": {"claimed_at": True}}
        if not await self._rows.update_one({"_id": self.tombstone.id, "claim": self._id}, change):
            raise ErasureUnderWay
        return key

    async def close(self, key: str, chunk: Chunk) -> int:
        """Count a chunk that is gone; return its size, or 0 where another process counted it before."""
        erased = len(chunk.versions)
        change = {
            "$inc": {f"erased.{field_of(chunk.holding)}": erased},
            "$unset": {f"chunks.{key}": ""},
            "$currentDate": {"claimed_at": True},
        }
        mine = {"_id": self.tombstone.id, f"chunks.{key}": {"$exists": True}}
        return erased if await self._rows.update_one(mine, change) else 0


class Progress:
    """The part of the tombstones that the holder writes."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._rows = mongo.collection(Tombstone)

    async def freeze_counts(self, user_id: UUID, found: dict[str, int]) -> dict[str, int]:
        """Keep the first inventory there was, and return it."""
        kept = {"inventory": {field_of(name): count for name, count in found.items()}}
        await self._rows.update_one({"_id": user_id, "inventory": None}, {"$set": kept})
        row = await self._rows.find_one({"_id": user_id}, projection={"inventory": 1})
        counts: dict[str, int] = (row or kept)["inventory"]
        return {name: counts.get(field_of(name), 0) for name in found}

    async def begin(self, user_id: UUID) -> Tombstone:
        """Mark that rows and objects go from now on: what comes late is swept, not merely refused.

        Raises:   TombstoneLost.
        """
        first = {"$eq": [{"$ifNull": ["$erasing_since", None]}, None]}
        started = {
            "erasing_since": {"$cond": [first, "$$NOW", "$erasing_since"]},
            "pseudonym": {"$cond": [first, uuid4(), "$pseudonym"]},
        }
        await self._rows.update_one({"_id": user_id}, [{"$set": started}])
        return await self.read(user_id)

    async def read(self, user_id: UUID) -> Tombstone:
        """Return the tombstone of a person whose erasure goes on. Raises TombstoneLost."""
        row = await self._rows.find_one({"_id": user_id})
        if row is None:
            raise TombstoneLost
        return Tombstone.from_mongo(row)

    @asynccontextmanager
    async def claimed(self, user_id: UUID) -> AsyncIterator[Claim]:
        """Hold the claim to a person's objects for the block.

        Raises:   ErasureUnderWay: another process has it; retried.
        """
        claim = new_id()
        over = {"$add": ["$claimed_at", CLAIM_MS]}
        lapsed = {"$lt": [over, "$$NOW"]}  # by the server's clock, the same for all processes
        free = {"_id": user_id, "$or": [{"claim": None}, {"$expr": lapsed}]}
        taken = {"$set": {"claim": claim}, "$currentDate": {"claimed_at": True}}
        if not await self._rows.update_one(free, taken):
            raise ErasureUnderWay
        try:
            yield Claim(self._mongo, await self.read(user_id), claim)
        finally:
            await self._rows.update_one({"_id": user_id, "claim": claim}, {"$set": {"claim": None}})

    async def count(self, user_id: UUID, done: Tally) -> None:
        """Add what the open transaction did to the person's counts."""
        change = {
            "$inc": {f"erased.{field_of(name)}": count for name, count in done.erased.items()}
            | {f"retained.{field_of(name)}": count for name, count in done.retained.items()},
            "$max": {f"retained_until.{field_of(name)}": date for name, date in done.until.items()},
        }
        await self._rows.update_one(
            {"_id": user_id}, {name: fields for name, fields in change.items() if fields}
        )

    async def keep(self, user_id: UUID, holding: str, until: datetime) -> None:
        """Note, in the open transaction, the one row of a proof holding that is kept of a person."""
        field = field_of(holding)
        change = {"$set": {f"retained.{field}": 1}, "$max": {f"retained_until.{field}": until}}
        await self._rows.update_one({"_id": user_id}, change)

    async def settle(self, user_id: UUID, holding: str, total: int) -> bool:
        """Note how much of a holding went in all, where it keeps that count itself; False where it is noted."""
        path = f"erased.{field_of(holding)}"
        new = {"_id": user_id, path: {"$not": {"$gte": total}}}
        return bool(await self._rows.update_one(new, {"$set": {path: total}}))

    async def asked(self, user_id: UUID) -> dict[str, Asked]:
        """Return what outside parties were asked to erase of a person, by holding."""
        row = await self._rows.find_one({"_id": user_id}, projection={"asked": 1})
        found = (row or {}).get("asked", {})
        return {holding_of(field): Asked.model_validate(asked) for field, asked in found.items()}

    async def ask(self, user_id: UUID, holding: str, keys: list[UUID]) -> None:
        """Write down what an outside party has to erase."""
        new = {f"asked.{field_of(holding)}.keys": {"$each": keys}}
        await self._rows.update_one({"_id": user_id}, {"$addToSet": new})

    async def answered(self, user_id: UUID, holding: str, keys: list[UUID], receipt: ErasureReceipt) -> bool:
        """Count what an outside party has erased, and keep its answer; False where it was counted before."""
        asked = f"asked.{field_of(holding)}"
        change = {
            "$pullAll": {f"{asked}.keys": keys},
            "$push": {f"{asked}.receipts": receipt.model_dump()},
            "$inc": {f"erased.{field_of(holding)}": len(keys)},
        }
        return bool(await self._rows.update_one({"_id": user_id, f"{asked}.keys": {"$all": keys}}, change))

    async def waits(self, user_id: UUID, attempt: int) -> None:
        """Note which request has been answered in part: outside parties have not erased yet, or items are held."""
        await self._rows.update_one({"_id": user_id}, {"$set": {"attempt": attempt}})

    async def waiting(self, holding: str) -> AsyncIterator[UUID]:
        """Yield those whose erasure waits for an outside party, the longest waiting first."""
        asked = {f"asked.{field_of(holding)}.keys.0": {"$exists": True}}
        waits = {"completed_at": None, "attempt": {"$ne": None}, **asked}
        async for row in self._rows.stream(waits, sort=[("erasing_since", 1)], projection={"_id": 1}):
            yield row["_id"]

    async def complete(self, user_id: UUID) -> None:
        """Close the erasure, by the database's clock, and forget which pseudonym was the person's."""
        closed = {"$currentDate": {"completed_at": True}, "$set": {"pseudonym": None}}
        await self._rows.update_one({"_id": user_id}, closed)

    async def unfinished(self) -> AsyncIterator[UUID]:
        """Yield people who are frozen, and not erased yet."""
        async for row in self._rows.stream({"completed_at": None}, projection={"_id": 1}):
            yield row["_id"]

    async def open_among(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Return who of these is frozen, and not erased yet."""
        wanted = list(subjects)
        query = {"_id": {"$in": wanted}, "completed_at": None}
        rows = await self._rows.find(query, projection={"_id": 1}, limit=len(wanted) or 1)
        return {row["_id"] for row in rows}

    async def completed_since(self, moment: datetime) -> AsyncIterator[UUID]:
        """Yield the people whose erasure was completed after a moment."""
        async for row in self._rows.stream({"completed_at": {"$gt": moment}}, projection={"_id": 1}):
            yield row["_id"]

    async def half_swept(self) -> AsyncIterator[UUID]:
        """Yield people whose erasure is complete, and whose tombstone still names objects that a sweep deleted.

        It is there for good where who swept died in its middle: nothing is left that another sweep would be for.
        """
        query = {**UNDER_WAY, "completed_at": {"$ne": None}}
        async for row in self._rows.stream(query, projection={"_id": 1}):
            yield row["_id"]


def field_of(holding: str) -> str:
    """Return a holding's name as a field of the tombstone: MongoDB reads a dot as a path."""
    return holding.replace(".", "/")


def holding_of(name: str) -> str:
    """Return the holding that a field of the tombstone is about."""
    return name.replace("/", ".")
