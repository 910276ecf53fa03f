"""Operators' accounts and their short sessions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.mongo import DuplicateKeyError, Mongo
from services.auth.errors import StaffNameTaken
from services.auth.staff_models import StaffAccount, StaffSession

WORKING = {"disabled_at": None}


class StaffAccounts:
    """The collection `staff`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(StaffAccount)

    async def add(self, account: StaffAccount) -> None:
        """Store a new account.

        Raises:   StaffNameTaken (409).
        """
        try:
            await self._rows.insert_one(account.to_mongo())
        except DuplicateKeyError as error:
            raise StaffNameTaken from error

    async def by_name(self, name_key: str) -> StaffAccount | None:
        """Return the account of a name, disabled or not."""
        row = await self._rows.find_one({"name_key": name_key})
        return StaffAccount.from_mongo(row) if row else None

    async def any(self) -> bool:
        """Tell whether there is an account, disabled or not."""
        return await self._rows.find_one({}, projection={"_id": 1}) is not None

    async def page(self, after: UUID | None, limit: int) -> list[StaffAccount]:
        """Return accounts, disabled ones too, the oldest first."""
        query = {} if after is None else {"_id": {"$gt": after}}
        rows = await self._rows.find(query, sort=[("_id", 1)], limit=limit)
        return [StaffAccount.from_mongo(row) for row in rows]

    async def change(self, staff_id: UUID, **fields: Any) -> bool:
        """Set fields of an account that works; tell whether there is one."""
        return bool(await self._rows.update_one({"_id": staff_id, **WORKING}, {"$set": fields}))


class StaffSessions:
    """The collection `staff_sessions`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(StaffSession)

    async def add(self, session: StaffSession) -> None:
        """Store a new session."""
        await self._rows.insert_one(session.to_mongo())

    async def live_ids(self, staff_id: UUID, now: datetime) -> list[UUID]:
        """Return the ids of an operator's live sessions."""
        rows = await self._rows.find({"user_id": staff_id, "expires_at": {"$gt": now}}, projection={"_id": 1})
        return [row["_id"] for row in rows]

    async def remove(self, staff_id: UUID, ids: list[UUID]) -> None:
        """Forget sessions that were ended."""
        await self._rows.delete_many({"user_id": staff_id, "_id": {"$in": ids}})
