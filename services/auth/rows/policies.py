"""What auth knows of published policies and terms, and who was told of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.clock import new_id
from libs.common.mongo import Mongo
from services.auth.agreement_models import AcceptedDocument, NoticeRun, PolicyNotice, PolicyVersion
from services.auth.models import Status, User


class PolicyVersions:
    """The collection `policy_versions`: written once each, never changed."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(PolicyVersion)

    async def learn(self, version: PolicyVersion) -> None:
        """Remember a version that was published; a second time changes nothing."""
        await self._rows.update_one({"_id": version.id}, {"$setOnInsert": version.to_mongo()}, upsert=True)

    async def all(self) -> list[PolicyVersion]:
        """Return the published versions of all documents, the latest first."""
        rows = await self._rows.find({}, sort=[("published_at", -1), ("version", -1)])
        return [PolicyVersion.from_mongo(row) for row in rows]


class NoticeRuns:
    """The collection `policy_notice_runs`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows, self._users = mongo.collection(NoticeRun), mongo.collection(User)

    async def begin(self, run: NoticeRun) -> None:
        """Enter a run; one that has begun stays where it is."""
        await self._rows.update_one({"_id": run.id}, {"$setOnInsert": run.to_mongo()}, upsert=True)

    async def unfinished(self) -> NoticeRun | None:
        """Return the run that began first of those that go on."""
        row = await self._rows.find_one({"done_at": None}, sort=[("begun_at", 1)])
        return NoticeRun.from_mongo(row) if row else None

    async def next_people(self, run: NoticeRun, limit: int) -> list[UUID]:
        """Return the accounts that come next, in the order of their ids: those that their people can use."""
        query = {"_id": {"$gt": run.position}, "status": Status.ACTIVE}
        rows = await self._users.find(query, sort=[("_id", 1)], limit=limit, projection={"_id": 1})
        return [row["_id"] for row in rows]

    async def advance(self, run: NoticeRun, position: UUID, told: int) -> bool:
        """Move a run on from where it was read; False where another process has moved it."""
        where = {"_id": run.id, "position": run.position, "done_at": None}
        return bool(
            await self._rows.update_one(where, {"$set": {"position": position}, "$inc": {"told": told}})
        )

    async def finish(self, run: NoticeRun, at: datetime) -> None:
        """Note that a run came to the last account, if it did not go on since."""
        where = {"_id": run.id, "position": run.position, "done_at": None}
        await self._rows.update_one(where, {"$set": {"done_at": at}})

    async def all(self) -> list[NoticeRun]:
        """Return all runs, the latest first."""
        return [NoticeRun.from_mongo(row) for row in await self._rows.find({}, sort=[("begun_at", -1)])]


class PolicyNotices:
    """The collection `policy_notices`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(PolicyNotice)

    async def add(
        self, people: Sequence[UUID], document: AcceptedDocument, version: str, at: datetime
    ) -> None:
        """Tell people in their accounts, in an open transaction."""
        notices = [
            PolicyNotice(id=new_id(), user_id=each, document=document, version=version, created_at=at)
            for each in people
        ]
        await self._rows.insert_many([notice.to_mongo() for notice in notices])

    async def among(self, people: Sequence[UUID], document: AcceptedDocument, version: str) -> set[UUID]:
        """Return those people who were told of a version."""
        query = {"user_id": {"$in": list(people)}, "document": document, "version": version}
        return set(await self._rows.distinct("user_id", query))

    async def open_of(self, user_id: UUID) -> list[PolicyNotice]:
        """Return what a person was told of and has not acknowledged, the latest first."""
        query = {"user_id": user_id, "acknowledged_at": None}
        rows = await self._rows.find(query, sort=[("created_at", -1)])
        return [PolicyNotice.from_mongo(row) for row in rows]

    async def not_mailed(
        self, user_id: UUID, document: AcceptedDocument, version: str
    ) -> PolicyNotice | None:
        """Return a person's notice of a version that no mail has been sent for."""
        query = {"user_id": user_id, "document": document, "version": version, "mailed_at": None}
        row = await self._rows.find_one(query)
        return PolicyNotice.from_mongo(row) if row else None

    async def mark_mailed(self, user_id: UUID, notice_id: UUID, at: datetime) -> None:
        """Note that the mail server took the mail."""
        await self._rows.update_one({"_id": notice_id, "user_id": user_id}, {"$set": {"mailed_at": at}})

    async def acknowledge(self, user_id: UUID, at: datetime, **which: Any) -> bool:
        """Note that a person has seen notices of theirs; False where there is none of these."""
        query = {"user_id": user_id, **which}
        seen = [{"$set": {"acknowledged_at": {"$ifNull": ["$acknowledged_at", at]}}}]
        return bool(await self._rows.update_many(query, seen))

    async def counts(self, run: NoticeRun) -> dict[str, int]:
        """Return how many people a version's mail has left for, and how many have acknowledged it."""
        of_version = {"document": run.document, "version": run.version}
        return {
            "mailed": await self._rows.count({**of_version, "mailed_at": {"$ne": None}}),
            "acknowledged": await self._rows.count({**of_version, "acknowledged_at": {"$ne": None}}),
        }
