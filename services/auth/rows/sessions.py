"""Sessions and their refresh tokens."""

from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.mongo import Mongo
from libs.common.pagination import after_cursor
from services.auth.look_ups import LookUps
from services.auth.session_models import RefreshToken, Session


def _live(now: datetime) -> dict[str, Any]:
    return {"ended_at": None, "expires_at": {"$gt": now}}


class Sessions:
    """The collection `sessions`."""

    def __init__(self, mongo: Mongo, look_ups: LookUps) -> None:
        self._rows, self._look_ups = mongo.collection(Session), look_ups

    async def add(self, session: Session) -> None:
        """Store a new session."""
        await self._rows.insert_one(session.to_mongo())

    async def page(self, user_id: UUID, now: datetime, *, cursor: str | None, limit: int) -> list[Session]:
        """Return a person's live sessions, the latest sign-in first."""
        query = {"user_id": user_id, **_live(now), **after_cursor(cursor)}
        rows = await self._rows.find(query, sort=[("created_at", -1), ("_id", -1)], limit=limit)
        return [Session.from_mongo(row) for row in rows]

    async def live_ids(self, user_id: UUID, now: datetime, *, but: UUID | None = None) -> list[UUID]:
        """Return the ids of a person's live sessions, except one: the latest, as many as are read at once."""
        query: dict[str, Any] = {"user_id": user_id, **_live(now)}
        if but is not None:
            query["_id"] = {"$ne": but}
        latest_first = [("created_at", -1), ("_id", -1)]
        return [row["_id"] for row in await self._rows.find(query, sort=latest_first, projection={"_id": 1})]

    async def touch(
        self, user_id: UUID, session_id: UUID, now: datetime, **technical: str | None
    ) -> Session | None:
        """Note that a live session is used; return it, or None where it has ended."""
        query = {"_id": session_id, "user_id": user_id, **_live(now)}
        row = await self._rows.find_one_and_update(query, {"$set": {"last_used_at": now, **technical}})
        return Session.from_mongo(row) if row else None

    async def end(self, user_id: UUID, ids: list[UUID], now: datetime, reason: str) -> int:
        """End live sessions of a person; return how many ended."""
        query = {"_id": {"$in": ids}, "user_id": user_id, **_live(now)}
        return await self._rows.update_many(query, {"$set": {"ended_at": now, "ended_reason": reason}})

    async def forget_devices(self, user_id: UUID) -> None:
        """Remove from all sessions of a person with which browser and device they were opened."""
        await self._rows.update_many({"user_id": user_id}, {"$set": {"user_agent": None}})

    async def has_been_at(self, user_id: UUID, network: str) -> bool:
        """Tell whether a person has signed in from a network lately."""
        query = {"user_id": user_id, "network": self._look_ups.network(user_id, network)}
        return await self._rows.find_one(query, projection={"_id": 1}) is not None


class RefreshTokens:
    """The collection `refresh_tokens`. Whoever has the token is its owner: it is found by its hash."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(RefreshToken)

    async def add(self, token: RefreshToken) -> None:
        """Store the hash of a token that is about to be given out."""
        await self._rows.insert_one(token.to_mongo())

    async def find(self, token_hash: str, now: datetime) -> RefreshToken | None:
        """Return a token that has not expired, used or not."""
        row = await self._rows.find_one({"_id": token_hash, "expires_at": {"$gt": now}})
        return RefreshToken.from_mongo(row) if row else None

    async def use(self, token_hash: str, now: datetime) -> bool:
        """Mark a token used; tell whether this was the first time."""
        return bool(
            await self._rows.update_one({"_id": token_hash, "used_at": None}, {"$set": {"used_at": now}})
        )

    async def remove(self, user_id: UUID, sessions: list[UUID]) -> None:
        """Make every token of some sessions of a person void."""
        await self._rows.delete_many({"user_id": user_id, "session_id": {"$in": sessions}})
