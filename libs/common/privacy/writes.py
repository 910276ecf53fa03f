"""Objects under way: an erasure waits for those that were begun before it, and refuses those that come after."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.clock import new_id
from libs.common.document import Document, Index, Restored
from libs.common.logging import logger
from libs.common.mongo import Filter, Mongo
from libs.common.privacy.annotations import Ends, Operational, Personal, Retention
from libs.common.privacy.progress import ErasureUnderWay
from libs.common.privacy.tombstones import Tombstones

LONGEST = timedelta(seconds=30)
"""A write that takes longer has died with its process; what it still stores is found by the late sweep."""
MARGIN_S = 5.0
"""How much longer than the longest write an erasure waits before it is left to be tried again."""
LOOK_EVERY_S = 0.02
UNDER_WAY = Retention("while the object is stored, as a rule milliseconds", ends=Ends.EXPIRY)

log = logger("privacy.writes")


class Write(Document):
    """Somebody's object that is being stored at this moment. Args: until: at the longest, by the database's clock."""

    collection: ClassVar[str] = "writes"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("until", 1))),
        Index((("until", 1),), expire_after=timedelta(0)),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: Annotated[UUID, Personal("user.unique_id", retention=UNDER_WAY)]
    until: Operational[datetime]


class Writes:
    """The fence of the object store, which knows no transactions (ADR 0006).

    A writer says that it writes, and then looks for the tombstone; an erasure writes the tombstone, and then looks
    for writers. Both are majority writes and reads, so at least one sees the other. Times are the database's, so
    clocks need not agree.
    """

    def __init__(self, mongo: Mongo, tombstones: Tombstones) -> None:
        self._rows, self._tombstones = mongo.collection(Write), tombstones

    @asynccontextmanager
    async def under_way(self, user_id: UUID) -> AsyncIterator[None]:
        """Store objects of a person inside the block.

        Raises:   SubjectErased (410): the person is being, or has been, erased; the block does not run.
        """
        await self._tombstones.refuse(user_id)  # so that an erased person is not even announced
        write = {"_id": new_id()}
        await self._rows.update_one(write, _announced(user_id), upsert=True)
        try:
            await self._tombstones.refuse(user_id)
            yield
        finally:
            await self._rows.delete_one(write)

    async def drained(self, user_id: UUID) -> None:
        """Return once nobody stores objects of a person any more.

        Raises:   ErasureUnderWay: a write takes longer than any may; retried.
        Effects:  what a writer that died has left of its announcement goes.
        """
        began = time.monotonic()
        still = {"user_id": user_id, "$expr": {"$gt": ["$until", "$$NOW"]}}
        while await self._rows.count(still, limit=1):
            if time.monotonic() - began > LONGEST.total_seconds() + MARGIN_S:
                raise ErasureUnderWay  # the database's clock was set back
            await asyncio.sleep(LOOK_EVERY_S)
        await self._rows.delete_many({"user_id": user_id})
        if (waited := time.monotonic() - began) > 1:
            log.info("writes.waited_for", seconds=round(waited, 1))


def _announced(user_id: UUID) -> list[Filter]:
    until = {"$add": ["$$NOW", LONGEST // timedelta(milliseconds=1)]}
    return [{"$set": {"user_id": user_id, "until": until}}]
