"""A service's parts of exports: what is asked for, how far it is, and where it lies."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.clock import now
from libs.common.document import Document, Index, Restored
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import MONTH, Basis, Operational, Personal, Purpose, SubjectId
from libs.common.privacy.holdings import CollectionHolding, Holdings

LONGEST_WAIT = timedelta(minutes=30)
"""Each try begins from the start, and what the last one wrote stays until the archive is packed."""

Asked = Personal("user.privacy_preferences", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, MONTH)
"""That a person asked for their data, and when. Source: GDPR Art. 5(2), 12(3)."""


class PartState(StrEnum):
    """How far a part is."""

    WAITING = "waiting"
    DONE = "done"


class ExportPart(Document):
    """What one service adds to a person's export. `attempt` is where the part lies, or will when it is done.

    Personal: when it was asked for. What is in the part lies in the object store, sealed; its key is sealed too.
    """

    collection: ClassVar[str] = "export_parts"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (Index((("user_id", 1),)), Index((("state", 1), ("due_at", 1))))

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    created_at: Annotated[datetime, Asked]
    state: Operational[PartState] = PartState.WAITING
    due_at: Operational[datetime]
    tries: Operational[int] = 0
    attempt: Operational[UUID | None] = None
    segments: Operational[int] = 0
    rows: Operational[int] = 0
    files: Operational[int] = 0
    sealed_key: Operational[str | None] = None


AS_NEW = ("state", "tries", "sealed_key")
"""Fields that a part has again as at first when it is to be written anew."""

EXPORT_PARTS = CollectionHolding(ExportPart)
"""The holding of every service: each has its part in an export."""


def takes_part(holdings: Holdings) -> bool:
    """Tell whether a service has a part in exports."""
    return EXPORT_PARTS in holdings.collections


class PartRows:
    """The collection `export_parts` of one service."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(ExportPart)

    async def ask(self, export_id: UUID, user_id: UUID, *, anew: bool) -> ExportPart:
        """Return the part of an export, asked for where it was not yet; one that waits after a failure is due now.

        Args:     anew: what was written before is written again.
        Raises:   LookupError: the part went meanwhile, with its person's erasure or at the end of its time.
        """
        moment = now()
        new = ExportPart(id=export_id, user_id=user_id, created_at=moment, due_at=moment).to_mongo()
        now_due = {name: new.pop(name) for name in (("due_at", *AS_NEW) if anew else ("due_at",))}
        change = {"$setOnInsert": new, "$set": now_due}
        await self._rows.update_one({"_id": export_id}, change, upsert=True)
        row = await self._rows.find_one({"_id": export_id})
        if row is None:
            raise LookupError(f"the part of export {export_id} went while it was asked for")
        return ExportPart.from_mongo(row)

    async def due(self) -> ExportPart | None:
        """Return the part that waits longest to be written."""
        waiting = {"state": PartState.WAITING.value, "due_at": {"$lte": now()}}
        row = await self._rows.find_one(waiting, sort=[("due_at", 1)])
        return ExportPart.from_mongo(row) if row else None

    async def begin(self, part: ExportPart, attempt: UUID) -> bool:
        """Note a try before it begins; if nothing is heard of it, the next one is due after a wait that grows.

        Returns:  False: the part is gone, or another worker has written it, or begun to, since it was read.
        """
        wait = min(timedelta(seconds=2 ** min(part.tries, 10)), LONGEST_WAIT)
        change = {"attempt": attempt, "tries": part.tries + 1, "due_at": now() + wait}
        as_read = {"_id": part.id, "attempt": part.attempt, "state": PartState.WAITING.value}
        return bool(await self._rows.update_one(as_read, {"$set": change}))

    async def finish(self, part: ExportPart) -> bool:
        """Note that a part is whole; False where it is gone, or another attempt is under way."""
        told = part.model_dump(include={"segments", "rows", "files", "sealed_key"})
        change = told | {"state": PartState.DONE.value}
        ours = {"_id": part.id, "attempt": part.attempt, "state": PartState.WAITING.value}
        return bool(await self._rows.update_one(ours, {"$set": change}))
