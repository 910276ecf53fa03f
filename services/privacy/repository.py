"""The only access to privacy's collections: cases, certificates and the head of their chain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.common.certificate import GENESIS
from libs.common.clock import MOST_APART
from libs.common.mongo import Filter, Mongo
from services.privacy.errors import CaseChanged
from services.privacy.models import Case, Certificate, ChainHead
from services.privacy.protocol import Phase

HEAD = "erasure"
DUE_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class OpenCases:
    """How the open cases of one phase stand. Args: since: when the first of them came into the phase."""

    phase: Phase
    cases: int
    oldest: datetime
    since: datetime
    soonest_due: datetime
    overdue: int
    attention: int


class CaseRepository:
    """Cases, written only by whoever read their latest version."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Case)

    async def get(self, case_id: UUID) -> Case | None:
        """Return a case."""
        row = await self._rows.find_one({"_id": case_id})
        return Case.from_mongo(row) if row else None

    async def add(self, case: Case) -> None:
        """Store a new case."""
        await self._rows.insert_one(case.to_mongo())

    async def save(self, case: Case) -> None:
        """Store a case that was read before. Raises CaseChanged (retried): somebody else did so meanwhile."""
        row = case.to_mongo() | {"version": case.version + 1}
        if not await self._rows.update_one({"_id": case.id, "version": case.version}, {"$set": row}):
            raise CaseChanged
        case.version += 1

    async def open_of(self, subject: str) -> Case | None:
        """Return the open case of a person, by their pseudonym."""
        row = await self._rows.find_one({"subject": subject, "open": True})
        return Case.from_mongo(row) if row else None

    async def waiting_for(self, hold_id: str) -> list[UUID]:
        """Return the cases that wait for the end of a hold on an item."""
        waits = {"open": True, "phase": Phase.WAITING.value, "saga.waited": hold_id}
        return [row["_id"] for row in await self._rows.find(waits, projection={"_id": 1})]

    async def due(self, moment: datetime) -> AsyncIterator[UUID]:
        """Yield the open cases that want a Tick, the longest waiting first; one that stays due is yielded once.

        After them those that were moved by a clock that was ahead: nothing else would wake them before it is as late.
        """
        async for case_id in self._ids({"open": True, "wake_at": {"$lte": moment}}, by="wake_at"):
            yield case_id
        async for case_id in self._ids(
            {"open": True, "moved_at": {"$gt": moment + MOST_APART}}, by="moved_at"
        ):
            yield case_id

    def to_look_at(self, moment: datetime) -> AsyncIterator[UUID]:
        """Yield the VERIFIED cases of which the law lets something go, likewise."""
        return self._ids({"open": False, "wake_at": {"$lte": moment}}, by="wake_at")

    async def claim_scan(self, claim: UUID, lasts: timedelta) -> Case | None:
        """Take a case that waits to be scanned, or whose scanner has died. Claims end by the database's clock."""
        lapsed = {"$expr": {"$lt": ["$claimed_until", "$$NOW"]}}
        free = {"$or": [{"claimed_until": None}, lapsed]}
        row = await self._rows.find_one_and_update(
            {"phase": Phase.SCANNING.value, "open": True, **free},
            [{"$set": {"claim": claim, "claimed_until": _from_now(lasts)}}],
        )
        return Case.from_mongo(row) if row else None

    async def prolong(self, case_id: UUID, claim: UUID, lasts: timedelta) -> bool:
        """Keep, or end, a claim; tell whether it was still ours."""
        changed = await self._rows.update_one(
            {"_id": case_id, "claim": claim}, [{"$set": {"claimed_until": _from_now(lasts)}}]
        )
        return bool(changed)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[Any]:
        """Open the stream of changes of cases; what they are is read elsewhere."""
        async with self._rows.watch([{"$project": {"_id": 1}}]) as stream:
            yield stream

    async def page(self, after: tuple[bool, datetime, UUID] | None, limit: int) -> list[Case]:
        """Return cases for operators: open ones first, then by due date."""
        rows = await self._rows.find(
            _behind(after), sort=[("open", -1), ("due_at", 1), ("_id", 1)], limit=limit
        )
        return [Case.from_mongo(row) for row in rows]

    async def open_by_phase(self) -> list[OpenCases]:
        """Return how the open cases stand, for each phase that has any."""
        wants_people = {"$gt": [{"$size": "$saga.attention"}, 0]}
        grouped = {
            "_id": "$phase",
            "cases": {"$sum": 1},
            "oldest": {"$min": "$created_at"},
            "since": {"$min": "$phase_since"},
            "soonest_due": {"$min": "$due_at"},
            "overdue": {"$sum": {"$cond": [{"$lt": ["$due_at", "$$NOW"]}, 1, 0]}},
            "attention": {"$sum": {"$cond": [wants_people, 1, 0]}},
        }
        rows = await self._rows.aggregate([{"$match": {"open": True}}, {"$group": grouped}])
        return [OpenCases(phase=Phase(row.pop("_id")), **row) for row in rows]

    async def _ids(self, wanted: Filter, *, by: str) -> AsyncIterator[UUID]:
        async for page in self._rows.pages(wanted, by=by, size=DUE_AT_ONCE, projection={by: 1}):
            for row in page:
                yield row["_id"]


def _from_now(lasts: timedelta) -> Filter:
    return {"$add": ["$$NOW", int(lasts.total_seconds() * 1_000)]}


def _behind(after: tuple[bool, datetime, UUID] | None) -> dict[str, Any]:
    if after is None:
        return {}
    is_open, due_at, case_id = after
    same = [
        {"open": is_open, "due_at": {"$gt": due_at}},
        {"open": is_open, "due_at": due_at, "_id": {"$gt": case_id}},
    ]
    return {"$or": [*same, {"open": False}] if is_open else same}


class CertificateRepository:
    """Certificates and the head of their chain."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows, self._heads = mongo.collection(Certificate), mongo.collection(ChainHead)

    async def lock_head(self) -> ChainHead:
        """Return the chain's head, and keep every other transaction from moving it until this one ends."""
        row = await self._heads.find_one_and_update(
            {"_id": HEAD},
            {"$inc": {"sequence": 1}, "$setOnInsert": {"hash": GENESIS}},
            upsert=True,
            before=True,
        )
        return ChainHead.from_mongo(row) if row else ChainHead(id=HEAD, hash=GENESIS)

    async def append(self, certificate: Certificate) -> None:
        """Store the next certificate; it is the head from now on."""
        await self._rows.insert_one(certificate.to_mongo())
        await self._heads.update_one({"_id": HEAD}, {"$set": {"hash": certificate.hash}})

    async def head(self) -> ChainHead:
        """Return the chain's head as it is now."""
        row = await self._heads.find_one({"_id": HEAD})
        return ChainHead.from_mongo(row) if row else ChainHead(id=HEAD, hash=GENESIS)

    async def of_case(self, case_id: UUID) -> Certificate | None:
        """Return a case's certificate."""
        row = await self._rows.find_one({"_id": case_id})
        return Certificate.from_mongo(row) if row else None

    async def all_of_case(self, case_id: UUID) -> list[Certificate]:
        """Return a case's certificate and its amendments, in the order of the chain."""
        of_case = {"$or": [{"_id": case_id}, {"case_id": case_id}]}
        rows = await self._rows.find(of_case, sort=[("sequence", 1)])
        return [Certificate.from_mongo(row) for row in rows]

    async def page(self, after: int, limit: int) -> list[Certificate]:
        """Return certificates in the order of the chain."""
        rows = await self._rows.find({"sequence": {"$gt": after}}, sort=[("sequence", 1)], limit=limit)
        return [Certificate.from_mongo(row) for row in rows]
