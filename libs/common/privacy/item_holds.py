"""Holds on single items: what is held is marked where it is, and goes by nothing until the last hold on it ends.

A hold takes effect only where the erasure of its person has not begun here. Both sides write before they look (as in
ADR 0006): the hold marks its item and then looks for an erasure; an erasure writes that it begins and then looks for
holds. So at least one of them sees the other, and a hold that may have come too late is told so and taken back.

It cannot be too late for an item that another hold keeps: that is whole until the last of them ends.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.clock import now
from libs.common.collection import Collection, Filter
from libs.common.document import Document, Index
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Basis, Ends, Operational, Personal, Purpose, Retention
from libs.common.privacy.holdings import Holdings, Item
from libs.common.privacy.rows import HELD, value_at
from libs.common.privacy.tombstones import Tombstone

WHILE_HELD = Retention("until the hold ends", ends=Ends.DONE)
REMEMBERED = timedelta(days=60)
"""How long an ended hold is known by its id: longer than the event that placed it can come again."""


class HoldState(StrEnum):
    """Where a hold is; all but the first two are its end."""

    PLACING = "placing"
    IN_FORCE = "in-force"
    TOO_LATE = "too-late"
    ABSENT = "absent"
    RELEASED = "released"


STANDING = (HoldState.PLACING.value, HoldState.IN_FORCE.value)


class ItemHold(Document):
    """A hold on one item of this service.

    Personal: the opaque id of whose item it is, until the hold has ended: an erasure asks by it what it has to leave.
    """

    collection: ClassVar[str] = "item_holds"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("state", 1))),
        Index((("item_id", 1), ("state", 1))),
        Index((("ended_at", 1),), expire_after=REMEMBERED),
    )

    id: Operational[UUID] = Field(alias="_id")
    holding: Operational[str]
    item_id: Operational[UUID]
    state: Operational[HoldState]
    user_id: Annotated[
        UUID | None, Personal("user.unique_id", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, WHILE_HELD)
    ] = None
    ended_at: Operational[datetime | None] = None
    marks: Operational[int] = 0


class ItemHolds:
    """The holds on items of one service."""

    def __init__(self, holdings: Holdings, mongo: Mongo) -> None:
        self._holdings, self._mongo = holdings, mongo
        self._rows, self._tombstones = mongo.collection(ItemHold), mongo.collection(Tombstone)

    async def place(self, hold: ItemHold) -> ItemHold:
        """Hold an item, and return the hold as it is then: in force, or why not. Placing twice is placing once.

        Args:     hold: its id, holding and item.
        Effects:  the item's rows are marked, or, where it came too late, are as they were.
        """
        placed = await self._mongo.transaction(partial(self._mark, hold))
        if placed.state is not HoldState.PLACING or placed.user_id is None:
            return placed
        if await self._erasing(placed.user_id):
            await self._end(placed, HoldState.TOO_LATE)
        else:
            await self._rows.update_one(
                {"_id": hold.id, "state": HoldState.PLACING.value},
                {"$set": {"state": HoldState.IN_FORCE.value}},
            )
        return await self._find(hold.id) or placed

    async def release(self, hold: ItemHold) -> ItemHold:
        """End a hold, whether it was heard of before or not; return it as it is then."""
        await self._end(hold, HoldState.RELEASED)
        return await self._find(hold.id) or hold

    async def forget(self, hold: ItemHold) -> None:
        """Forget whose item an ended hold was on, in the transaction that concludes what followed from its end."""
        ended = {"_id": hold.id, "ended_at": {"$ne": None}}
        await self._rows.update_one(ended, {"$set": {"user_id": None}})

    async def standing(self, user_id: UUID) -> list[ItemHold]:
        """Return the holds on a person's items; one that is being placed counts."""
        rows = self._rows.stream({"user_id": user_id, "state": {"$in": STANDING}})
        return [ItemHold.from_mongo(row) async for row in rows]

    async def everyone(self) -> AsyncIterator[ItemHold]:
        """Yield all holds that stand, whoever's items they are on."""
        async for row in self._rows.stream({"state": {"$in": STANDING}}):
            yield ItemHold.from_mongo(row)

    async def mark_again(self, user_id: UUID) -> None:
        """Mark what came to a person's held items since; nothing comes any more once an erasure has begun."""
        for hold in await self.standing(user_id):
            if item := self._holdings.item(hold.holding):
                await self._mongo.transaction(partial(self._mark_if_standing, item, hold, user_id))

    def prefixes(self, holds: Iterable[ItemHold]) -> dict[str, tuple[str, ...]]:
        """Return, by holding of objects, where beneath the person's locator what belongs to held items is."""
        found: dict[str, tuple[str, ...]] = {}
        for hold in holds:
            item = self._holdings.item(hold.holding)
            for each in item.objects if item else ():
                name = self._holdings.name_of(each.holding)
                found[name] = (*found.get(name, ()), each.under.format(item=hold.item_id))
        return found

    async def _mark(self, hold: ItemHold) -> ItemHold:
        """Mark an item in the open transaction, unless the hold is known to have ended, or there is no such item."""
        known, item = await self._find(hold.id), self._holdings.item(hold.holding)
        if known is not None and known.state is not HoldState.PLACING:
            return known
        kept = await self._is_kept(hold)
        user_id = await self._mark_rows(item, hold, kept=kept) if item else None
        begun = HoldState.IN_FORCE if kept else HoldState.PLACING
        state, ended_at = (begun, None) if user_id else (HoldState.ABSENT, now())
        placed = hold.model_copy(update={"state": state, "user_id": user_id, "ended_at": ended_at})
        await self._save(placed)
        return placed

    async def _mark_if_standing(self, item: Item, hold: ItemHold, user_id: UUID) -> None:
        """Mark what came to a held item, in the open transaction; nothing where the hold has ended since.

        The hold is written, too, so that its end meets this: a mark that came after the end nobody would take off.
        """
        standing = {"_id": hold.id, "state": {"$in": STANDING}}
        if await self._rows.update_one(standing, {"$inc": {"marks": 1}}):
            for rows, query in self._parts(item, hold.item_id):
                await rows.update_many({**query, item.subject: user_id}, _marked(hold.id))

    async def _is_kept(self, hold: ItemHold) -> bool:
        """Tell, in the open transaction, whether another hold on the same item is in force.

        That one is written, too, so that its end meets this: one of the two is repeated, and sees the other.
        """
        same = {"holding": hold.holding, "item_id": hold.item_id, "_id": {"$ne": hold.id}}
        in_force = {**same, "state": HoldState.IN_FORCE.value}
        return bool(await self._rows.update_one(in_force, {"$inc": {"marks": 1}}))

    async def _mark_rows(self, item: Item, hold: ItemHold, *, kept: bool) -> UUID | None:
        """Mark the rows of an item; return whose it is, None where there is none.

        It is written, and not only looked for: whatever deletes it at the same moment meets this transaction.

        Args:     kept: another hold keeps it, so that it is there also where it is on its way out.
        """
        (rows, query), *belonging = self._parts(item, hold.item_id)
        mine = query if kept else {**query, **(item.where or {})}
        if not await rows.update_one(mine, _marked(hold.id)):
            return None
        row = await rows.find_one(mine, projection={item.subject: 1})
        for others, theirs in belonging:
            await others.update_many(theirs, _marked(hold.id))
        user_id: UUID = value_at(row or {}, item.subject)
        return user_id

    async def _end(self, hold: ItemHold, state: HoldState) -> None:
        """End a hold, and take its mark from what it held, at once."""

        async def write() -> None:
            known = await self._find(hold.id) or hold
            if known.ended_at is None:
                ended = {"state": state, "ended_at": now()}
                await self._save(known.model_copy(update=ended))
            item = self._holdings.item(known.holding)
            for rows, query in self._parts(item, known.item_id) if item else ():
                await rows.update_many({**query, HELD: hold.id}, {"$pull": {HELD: hold.id}})
                await rows.update_many({**query, HELD: []}, {"$unset": {HELD: ""}})

        await self._mongo.transaction(write)

    def _parts(self, item: Item, item_id: UUID) -> list[tuple[Collection, Filter]]:
        """Return where the rows of an item are: its own first. Rows are marked as they are stored, sealed or not."""
        places: Iterable[tuple[type[Document], str]] = ((item.document, "_id"), *item.rows)
        return [(self._mongo.collection(of.collection), {path: item_id}) for of, path in places]

    async def _erasing(self, user_id: UUID) -> bool:
        begun = {"_id": user_id, "erasing_since": {"$ne": None}}
        return await self._tombstones.find_one(begun, projection={"_id": 1}) is not None

    async def _find(self, hold_id: UUID) -> ItemHold | None:
        row = await self._rows.find_one({"_id": hold_id})
        return ItemHold.from_mongo(row) if row else None

    async def _save(self, hold: ItemHold) -> None:
        fields = {name: value for name, value in hold.to_mongo().items() if name != "_id"}
        await self._rows.update_one({"_id": hold.id}, {"$set": fields}, upsert=True)


def _marked(hold_id: UUID) -> dict[str, dict[str, UUID]]:
    return {"$addToSet": {HELD: hold_id}}
