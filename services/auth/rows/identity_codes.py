"""One-time codes that prove who asks."""

from datetime import datetime
from uuid import UUID

from libs.common.mongo import Mongo
from services.auth.session_models import IdentityCode


class IdentityCodes:
    """The collection `identity_codes`. A row is found by the challenge that whoever asked was given."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(IdentityCode)

    async def add(self, code: IdentityCode) -> None:
        """Store a challenge that a code is about to be mailed for."""
        await self._rows.insert_one(code.to_mongo())

    async def get(self, challenge_id: UUID, now: datetime) -> IdentityCode | None:
        """Return a challenge that has not expired."""
        row = await self._rows.find_one({"_id": challenge_id, "expires_at": {"$gt": now}})
        return IdentityCode.from_mongo(row) if row else None

    async def note_code(self, user_id: UUID, challenge_id: UUID, code_hash: str) -> None:
        """Keep the hash of a code that is about to be mailed: the one before it is void."""
        query = {"_id": challenge_id, "user_id": user_id}
        await self._rows.update_one(query, {"$set": {"code_hash": code_hash}})

    async def count_try(self, user_id: UUID, challenge_id: UUID, now: datetime, most: int) -> str | None:
        """Count a try at a challenge, in an open transaction; return what the right code hashes to.

        None where no code was mailed yet, the tries are used up, or it has expired.
        """
        query = {"_id": challenge_id, "user_id": user_id, "expires_at": {"$gt": now}, "tries": {"$lt": most}}
        row = await self._rows.find_one_and_update(query, {"$inc": {"tries": 1}})
        return IdentityCode.from_mongo(row).code_hash if row else None

    async def remove_all(self, user_id: UUID) -> None:
        """Make every challenge of an account void."""
        await self._rows.delete_many({"user_id": user_id})
