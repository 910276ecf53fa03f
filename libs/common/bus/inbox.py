"""The inbox: which events have had their effect, written in the same transaction as the effect."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from libs.common.bus.consumes import AlreadyDone
from libs.common.clock import now
from libs.common.document import Document, Index
from libs.common.mongo import BulkWriteError, DuplicateKeyError, Mongo, Row
from libs.common.privacy.annotations import Operational

KEPT = timedelta(days=30)
REMEMBERED = KEPT - timedelta(hours=1)
"""Whatever was published since is known here if it had its effect: clocks differ by less than that hour."""

DUPLICATE_KEY = 11_000


class InboxRow(Document):
    """One event that has had its effect in one consumer group.

    The key joins group and event id, so the pair is unique by the index that every collection has anyway: a
    second index would cost every event a second write.
    """

    collection: ClassVar[str] = "inbox"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("at", 1),), expire_after=KEPT),)

    id: Operational[str] = Field(alias="_id")
    at: Operational[datetime]


class Inbox:
    """One consumer group's memory of what it has done."""

    def __init__(self, mongo: Mongo, group: str) -> None:
        self._rows = mongo.collection(InboxRow)
        self._group = group

    async def known(self, event_ids: Iterable[str]) -> set[str]:
        """Return those events that have had their effect."""
        keys = [self._key(event_id) for event_id in event_ids]
        if not keys:
            return set()
        rows = await self._rows.find({"_id": {"$in": keys}}, limit=len(keys), projection={"_id": 1})
        return {row["_id"].removeprefix(f"{self._group}:") for row in rows}

    async def add(self, event_ids: Iterable[str]) -> None:
        """Remember events, in the open transaction that holds their effects.

        Raises:   AlreadyDone: one or more have had it.
        """
        at = now()
        try:
            await self._rows.insert_many([self._row(event_id, at) for event_id in event_ids])
        except BulkWriteError as error:
            if all(found["code"] == DUPLICATE_KEY for found in error.details["writeErrors"]):
                raise AlreadyDone from None
            raise

    async def claim(self, event_id: str) -> None:
        """Remember one event, in the open transaction that holds its effect.

        Raises:   AlreadyDone: it has had its effect.
        """
        try:
            await self._rows.insert_one(self._row(event_id, now()))
        except DuplicateKeyError:
            raise AlreadyDone(event_id) from None

    async def forget(self, at_most: int) -> int:
        """Forget what this group has done, so many events at most; return how many."""
        return await self._rows.delete_some({"_id": self._own}, at_most)

    async def forget_others(self) -> None:
        """Forget all that every other group of this database has done."""
        await self._rows.delete_many({"_id": {"$not": self._own}})

    @property
    def _own(self) -> Row:
        return {"$gte": self._key(""), "$lt": f"{self._group};"}

    def _key(self, event_id: str) -> str:
        return f"{self._group}:{event_id}"

    def _row(self, event_id: str, at: datetime) -> Row:
        return {"_id": self._key(event_id), "at": at}  # an InboxRow, without the cost of making one
