"""The tombstone: the first thing an erasure writes, the last thing it leaves, and what the fence looks for."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from libs.common.clock import now
from libs.common.document import Document, Index
from libs.common.errors import SubjectErased
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Basis, Ends, Operational, Personal, Purpose, Retention
from libs.common.privacy.metrics import REFUSED

LASTING = Retention(
    "for as long as a restored backup or a replayed event could bring the person back", ends=Ends.PROOF
)

UNDER_WAY: dict[str, Any] = {"chunks": {"$gt": {}}}
"""Of whose objects a deletion was written down that nobody has finished."""

Sweeper = Callable[[list[UUID]], Awaitable[None]]


class Chunk(BaseModel):
    """Object versions that are about to be deleted: counted once they are, also by whoever goes on after a crash."""

    holding: Operational[str]
    bucket: Operational[str]
    versions: Operational[list[tuple[str, str]]]


class ErasureReceipt(BaseModel):
    """What an outside party answered when it had erased. Args: reference: its own, for whoever asks it."""

    reference: Operational[str]
    at: Operational[datetime]


class Asked(BaseModel):
    """What an outside party is asked to erase: under which keys, until it says so; and what it said."""

    keys: Operational[list[UUID]] = Field(default_factory=list)
    receipts: Operational[list[ErasureReceipt]] = Field(default_factory=list)


class Tombstone(Document):
    """A person who is being, or has been, erased from this service's database.

    From `at` on nothing is written or read for the person. `inventory`, `erased` and `retained` count by holding;
    `chunks` are deletions under way; `asked` is what outside parties have to erase, `attempt` the request whose
    answer waits for them; `claim` names the process that deletes objects now; `pseudonym` stands in
    for the person in rows that the law keeps, and is forgotten as soon as the erasure is complete.

    Personal: the opaque id alone, kept on purpose: what is not remembered as erased can come back from a backup.
    """

    collection: ClassVar[str] = "tombstones"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("completed_at", -1),)),
        Index((("completed_at", 1),), partial=UNDER_WAY),
    )

    id: Annotated[
        UUID, Personal("user.unique_id", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, LASTING)
    ] = Field(alias="_id")
    case_id: Operational[UUID]
    at: Operational[datetime]
    inventory: Operational[dict[str, int] | None] = None
    erasing_since: Operational[datetime | None] = None
    chunks: Operational[dict[str, Chunk]] = Field(default_factory=dict)
    asked: Operational[dict[str, Asked]] = Field(default_factory=dict)
    attempt: Operational[int | None] = None
    erased: Operational[dict[str, int]] = Field(default_factory=dict)
    retained: Operational[dict[str, int]] = Field(default_factory=dict)
    retained_until: Operational[dict[str, datetime]] = Field(default_factory=dict)
    pseudonym: Operational[UUID | None] = None
    claim: Operational[UUID | None] = None
    claimed_at: Operational[datetime | None] = None
    completed_at: Operational[datetime | None] = None


class Tombstones:
    """Who is erased in this service, as the fence and the holder ask."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Tombstone)
        self._sweeper: Sweeper | None = None

    async def set(self, user_id: UUID, case_id: UUID) -> Tombstone:
        """Freeze a person. A tombstone that is there already stays as it is.

        Effects:  from the moment this returns, the fence refuses every read and write for the person.
        """
        new = Tombstone(id=user_id, case_id=case_id, at=now())
        await self._rows.update_one({"_id": user_id}, {"$setOnInsert": new.to_mongo()}, upsert=True)
        return await self.find(user_id) or new

    async def find(self, user_id: UUID) -> Tombstone | None:
        """Return a person's tombstone."""
        row = await self._rows.find_one({"_id": user_id})
        return Tombstone.from_mongo(row) if row else None

    async def among(self, subjects: Iterable[UUID]) -> list[UUID]:
        """Return those who are being, or have been, erased; costs nothing where nobody is asked about."""
        wanted = list(subjects)
        if not wanted:
            return []
        rows = await self._rows.find({"_id": {"$in": wanted}}, projection={"_id": 1}, limit=len(wanted))
        REFUSED.inc(len(rows))
        return [row["_id"] for row in rows]

    async def refuse(self, user_id: UUID) -> None:
        """Refuse to read for a person who is hidden.

        Raises:   SubjectErased (410).
        """
        if await self.among((user_id,)):
            raise SubjectErased

    def on_sweep(self, sweeper: Sweeper) -> None:
        """Name what erases again whatever a late commit brought back; the holder does."""
        self._sweeper = sweeper

    async def sweep(self, subjects: list[UUID]) -> None:
        """Erase again what a transaction wrote that began before the tombstone and committed after the erasure.

        Raises:   RuntimeError: no Holder was made for this database, so nobody would sweep: a bug of the composition.
        """
        if self._sweeper is None:
            raise RuntimeError(
                "nothing sweeps for these tombstones: a Holder has to be made for this database"
            )
        await self._sweeper(subjects)
