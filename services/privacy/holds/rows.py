"""The only access to the holds."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from uuid import UUID

from libs.common.mongo import Filter, Mongo
from libs.common.pagination import after_cursor
from services.privacy.errors import HoldNotFound
from services.privacy.holds.models import Hold, HoldKind, HoldState

NEWEST_FIRST = (("placed_at", -1), ("_id", -1))
SWEPT_AT_ONCE = 100
OPEN = {"state": {"$in": [HoldState.ASKED.value, HoldState.UNCONFIRMED.value, HoldState.IN_FORCE.value]}}


class HoldRows:
    """The collection `holds`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Hold)

    async def add(self, hold: Hold) -> None:
        """Store a new hold."""
        await self._rows.insert_one(hold.to_mongo())

    async def get(self, hold_id: UUID) -> Hold:
        """Return a hold. Raises HoldNotFound (404)."""
        row = await self._rows.find_one({"_id": hold_id})
        if row is None:
            raise HoldNotFound
        return Hold.from_mongo(row)

    async def save(self, hold: Hold) -> None:
        """Store a hold that was read in the open transaction: another that writes it meets this one."""
        fields = {name: value for name, value in hold.to_mongo().items() if name != "_id"}
        await self._rows.update_one({"_id": hold.id}, {"$set": fields})

    async def among(self, hold_ids: Iterable[str]) -> list[Hold]:
        """Return the holds of these ids that there are, the oldest first."""
        wanted = [UUID(each) for each in hold_ids]
        rows = await self._rows.find(
            {"_id": {"$in": wanted}}, sort=[("placed_at", 1)], limit=len(wanted) or 1
        )
        return [Hold.from_mongo(row) for row in rows]

    async def page(self, cursor: str | None, limit: int, *, only_open: bool) -> list[Hold]:
        """Return holds, the newest first."""
        wanted = {"$and": [OPEN if only_open else {}, after_cursor(cursor, made_at="placed_at")]}
        return [Hold.from_mongo(row) for row in await self._rows.find(wanted, sort=NEWEST_FIRST, limit=limit)]

    async def on_account(self, subject: str, moment: datetime | None = None) -> Hold | None:
        """Return the hold that is in force on an account, by the person's pseudonym: the one confirmed last.

        Args:     moment: leaves out one whose date has come by then, though nobody has ended it yet.
        """
        in_force = {"kind": HoldKind.ACCOUNT.value, "state": HoldState.IN_FORCE.value}
        not_over = {"until": {"$gt": moment}} if moment else {}
        wanted = {"subject": subject, **in_force, **not_over}
        row = await self._rows.find_one(wanted, sort=[("confirmed_at", -1)])
        return Hold.from_mongo(row) if row else None

    def over(self, moment: datetime) -> AsyncIterator[UUID]:
        """Yield the open holds whose end has come; one that stays open is yielded once."""
        return self._each({**OPEN, "until": {"$lte": moment}})

    def in_force_on_accounts(self) -> AsyncIterator[UUID]:
        """Yield the holds that are in force on accounts, each once."""
        return self._each({"kind": HoldKind.ACCOUNT.value, "state": HoldState.IN_FORCE.value})

    async def _each(self, query: Filter) -> AsyncIterator[UUID]:
        async for page in self._rows.pages(query, size=SWEPT_AT_ONCE, projection={"_id": 1}):
            for row in page:
                yield row["_id"]
