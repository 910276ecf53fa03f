"""The only access to requests, what was written in them, and the links to them."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.events.privacy import RequestKind
from libs.common.mongo import DuplicateKeyError, Mongo
from libs.common.pagination import decode_cursor
from services.privacy.errors import ChallengeFailed, RequestNotFound
from services.privacy.requests.kinds import Kind
from services.privacy.requests.models import (
    PersonRequest,
    RequestLink,
    RequestMessage,
    SpentChallenge,
    State,
)

MOST_MESSAGES = 500
DUE_AT_ONCE = 100
DUE_FIRST = (("open", -1), ("due_at", 1), ("_id", 1))
NEWEST_FIRST = (("created_at", -1), ("_id", -1))


class PersonRequests:
    """The collection `requests`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(PersonRequest)

    async def add(self, case: PersonRequest) -> None:
        """Store a request."""
        await self._rows.insert_one(case.to_mongo())

    async def get(self, request_id: UUID) -> PersonRequest:
        """Return a request. Raises RequestNotFound (404)."""
        row = await self._rows.find_one({"_id": request_id})
        if row is None:
            raise RequestNotFound
        return PersonRequest.from_mongo(row)

    async def find(self, request_id: UUID) -> PersonRequest | None:
        """Return a request where there is one."""
        row = await self._rows.find_one({"_id": request_id})
        return PersonRequest.from_mongo(row) if row else None

    async def save(self, case: PersonRequest) -> None:
        """Store a request that was read in the open transaction: another that writes it meets this one."""
        fields = {name: value for name, value in case.to_mongo().items() if name not in {"_id", "user_id"}}
        await self._rows.update_one({"_id": case.id, "user_id": case.user_id}, {"$set": fields})

    async def hand_over(self, case: PersonRequest) -> None:
        """Store a request as another person's: what is sealed in it is sealed with their key from now on."""
        await self._rows.delete_one({"_id": case.id})
        await self._rows.insert_one(case.to_mongo())

    async def open_of(self, user_id: UUID, kind: Kind) -> PersonRequest | None:
        """Return a person's open request of a kind, the oldest."""
        query = {"user_id": user_id, "kind": kind, "open": True, "has_account": True}
        row = await self._rows.find_one(query, sort=[("created_at", 1)])
        return PersonRequest.from_mongo(row) if row else None

    async def of(self, user_id: UUID, limit: int) -> list[PersonRequest]:
        """Return a person's requests, the newest first."""
        query = {"user_id": user_id, "has_account": True}
        rows = await self._rows.find(query, sort=NEWEST_FIRST, limit=limit)
        return [PersonRequest.from_mongo(row) for row in rows]

    async def queue(
        self, cursor: str | None, limit: int, *, only_open: bool, kind: Kind | None, reference: str | None
    ) -> list[Mapping[str, Any]]:
        """Return what operators work on, what is due first; nothing that is sealed is opened for it."""
        wanted = {"kind": kind, "reference": reference, "open": True if only_open else None}
        query = {name: value for name, value in wanted.items() if value is not None}
        rows = await self._rows.find(
            {"$and": [query, _behind(cursor)]}, sort=DUE_FIRST, limit=limit, projection={"email": 0}
        )
        return list(rows)

    def to_remind(self, moment: datetime) -> AsyncIterator[UUID]:
        """Yield open requests that people have to be reminded of, each once."""
        return self._due({"remind_at": {"$lte": moment}}, by="remind_at")

    def to_lapse(self, moment: datetime) -> AsyncIterator[UUID]:
        """Yield requests that nobody proved in time, each once."""
        return self._due({"open": True, "due_at": {"$lte": moment}, "state": State.UNPROVEN}, by="due_at")

    async def accepted(self, kinds: Collection[RequestKind]) -> AsyncIterator[tuple[UUID, UUID, RequestKind]]:
        """Yield the requests of these kinds that are being carried out, whose they are, and the kind."""
        query = {"open": True, "state": State.ACCEPTED, "kind": {"$in": sorted(kinds)}}
        async for page in self._rows.pages(query, size=DUE_AT_ONCE, projection={"user_id": 1, "kind": 1}):
            for row in page:
                yield row["_id"], row["user_id"], row["kind"]

    async def writers(self) -> AsyncIterator[tuple[UUID, UUID]]:
        """Yield requests that were handed over, with the id whose key is to be destroyed, each once."""
        handed_over = {"writer_id": {"$type": "binData"}}
        async for page in self._rows.pages(handed_over, size=DUE_AT_ONCE, projection={"writer_id": 1}):
            for row in page:
                yield row["_id"], row["writer_id"]

    async def forget_writer(self, request_id: UUID) -> None:
        """Forget under which id a request was written: its key is destroyed."""
        await self._rows.update_one({"_id": request_id}, {"$set": {"writer_id": None}})

    async def open_by_kind(self, moment: datetime) -> dict[str, Mapping[str, int]]:
        """Count what is open, overdue, and due soon, by kind."""
        pipeline = [{"$match": {"open": True}}, {"$group": _counted(moment)}]
        return {row["_id"]: row for row in await self._rows.aggregate(pipeline)}

    async def _due(self, query: Mapping[str, Any], *, by: str) -> AsyncIterator[UUID]:
        """Yield what is due, the longest due first. Nothing that is sealed is opened for it."""
        async for page in self._rows.pages(query, by=by, size=DUE_AT_ONCE, projection={by: 1}):
            for row in page:
                yield row["_id"]


class RequestMessages:
    """The collection `request_messages`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(RequestMessage)

    async def add(self, message: RequestMessage) -> None:
        """Store what somebody wrote."""
        await self._rows.insert_one(message.to_mongo())

    async def of(self, request_id: UUID) -> list[RequestMessage]:
        """Return a request's messages, the oldest first."""
        rows = await self._rows.find(
            {"request_id": request_id}, sort=[("created_at", 1), ("_id", 1)], limit=MOST_MESSAGES
        )
        return [RequestMessage.from_mongo(row) for row in rows]

    async def hand_over(self, request_id: UUID, to: PersonRequest) -> None:
        """Move a request's messages to a request, and seal them with its person's key, in an open transaction."""
        moved = [
            RequestMessage.from_mongo(row).model_copy(update={"request_id": to.id, "user_id": to.user_id})
            async for row in self._rows.stream({"request_id": request_id})
        ]
        await self._rows.delete_many({"request_id": request_id})
        await self._rows.insert_many([message.to_mongo() for message in moved])


class RequestLinks:
    """The collection `request_links`. Whoever has the token is let in: it is found by its hash."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(RequestLink)

    async def add(self, link: RequestLink) -> None:
        """Store the hash of a token that is about to be mailed."""
        await self._rows.insert_one(link.to_mongo())

    async def find(self, token_hash: str) -> RequestLink | None:
        """Return a link, an expired one too."""
        row = await self._rows.find_one({"_id": token_hash})
        return RequestLink.from_mongo(row) if row else None

    async def mark_sent(self, token_hash: str, at: datetime) -> None:
        """Note that the mail server took the mail."""
        await self._rows.update_one({"_id": token_hash}, {"$set": {"sent_at": at}})

    async def hand_over(self, request_id: UUID, to: PersonRequest) -> None:
        """Let a request's links lead to a request of somebody's."""
        await self._rows.update_many(
            {"request_id": request_id}, {"$set": {"request_id": to.id, "user_id": to.user_id}}
        )


class SpentChallenges:
    """The collection `spent_challenges`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(SpentChallenge)

    async def spend(self, challenge: SpentChallenge) -> None:
        """Note that a challenge was used. Raises ChallengeFailed (422): it was before."""
        try:
            await self._rows.insert_one(challenge.to_mongo())
        except DuplicateKeyError as error:
            raise ChallengeFailed("this challenge was used already") from error


def _behind(cursor: str | None) -> dict[str, Any]:
    """Return the filter for what comes behind a cursor, what is due first; closed requests come last."""
    if cursor is None:
        return {}
    is_open, _, place = cursor.partition(".")
    due_at, request_id = decode_cursor(place)
    later = {"$or": [{"due_at": {"$gt": due_at}}, {"due_at": due_at, "_id": {"$gt": request_id}}]}
    if is_open == "o":
        return {"$or": [{"open": True, **later}, {"open": False}]}
    return {"open": False, **later}


def _counted(moment: datetime) -> dict[str, Any]:
    """Return the grouping by kind. A request is due soon once people were reminded of it."""
    overdue, reminded = {"$lte": ["$due_at", moment]}, {"$eq": ["$remind_at", None]}
    return {
        "_id": "$kind",
        "open": {"$sum": 1},
        "overdue": {"$sum": {"$cond": [overdue, 1, 0]}},
        "due_soon": {"$sum": {"$cond": [{"$and": [reminded, {"$not": [overdue]}]}, 1, 0]}},
    }
