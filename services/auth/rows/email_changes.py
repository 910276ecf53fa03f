"""Changes of addresses that are under way."""

from typing import Any
from uuid import UUID

from libs.common.mongo import Mongo
from services.auth.models import EmailChange


class EmailChanges:
    """The collection `email_changes`. The owner is the row itself: a person has one change under way."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(EmailChange)

    async def get(self, user_id: UUID) -> EmailChange | None:
        """Return a person's change."""
        row = await self._rows.find_one({"_id": user_id})
        return EmailChange.from_mongo(row) if row else None

    async def set(self, user_id: UUID, **fields: Any) -> None:
        """Set fields of a person's change, which is there or begins with it."""
        await self._rows.update_one({"_id": user_id}, {"$set": fields}, upsert=True)

    async def note_token(self, user_id: UUID, token_hash: str) -> None:
        """Keep the hash of a token that is about to be mailed; nothing where no change is under way any more."""
        await self._rows.update_one({"_id": user_id}, {"$set": {"token_hash": token_hash}})

    async def note_told(self, user_id: UUID) -> None:
        """Forget the former address: it was told."""
        await self._rows.update_one({"_id": user_id}, {"$set": {"former": None}})
