"""A person's rows: counted, erased or pseudonymised, looked for afterwards, and exported."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from libs.common.mongo import Collection, Mongo, Row
from libs.common.privacy.annotations import Retention
from libs.common.privacy.exported import exported, exported_fields
from libs.common.privacy.holdings import CollectionHolding, Holdings, Pseudonymise
from libs.common.privacy.progress import Progress, Tally

ROWS_AT_ONCE = 5_000  # in one transaction: some 75 ms, far below the 5 s that the server gives it

GROUND, UNTIL = "retention_ground", "retained_until"
"""What a row says that the law keeps: the ground and the end."""
HELD = "held_by"
"""What a row says that somebody's reasons keep: the ids of the holds."""


class Part(NamedTuple):
    """Some rows of one holding."""

    holding: CollectionHolding
    query: dict[str, Any]


class Left(NamedTuple):
    """How much of a person is still there: what nothing keeps, and what belongs to held items."""

    loose: int = 0
    held: int = 0


class Rows:
    """The rows of one service's holdings."""

    def __init__(self, holdings: Holdings, mongo: Mongo, progress: Progress) -> None:
        self._holdings, self._mongo, self._progress = holdings, mongo, progress

    async def inventory(self, user_id: UUID) -> dict[str, int]:
        """Count a person's rows by holding."""
        held = self._holdings.collections
        counts = await asyncio.gather(*(self._of(each).count(each.of(user_id)) for each in held))
        return {self._holdings.name_of(each): count for each, count in zip(held, counts, strict=True)}

    async def erase(self, user_id: UUID, pseudonym: UUID) -> Tally:
        """Erase a person's rows but those that are held, and count them on the tombstone in the same transactions.

        Effects:  one transaction, and before it one for each five thousand rows that a collection has beyond those.
        """
        held = self._holdings.collections
        done = Tally()
        for part in await asyncio.gather(*(self._thin_out(each, user_id, pseudonym) for each in held)):
            done.add(part)
        rest = [Part(each, _loose(each, user_id)) for each in held]
        done.add(await self._mongo.transaction(partial(self._erase, user_id, pseudonym, rest)))
        return done

    async def remaining(self, user_id: UUID) -> dict[str, Left]:
        """Count by another query what is still there: in either form of the id, and whatever a `where` leaves out."""
        held = self._holdings.collections
        counts = await asyncio.gather(*(self._still_there(each, user_id) for each in held))
        return {self._holdings.name_of(each): count for each, count in zip(held, counts, strict=True)}

    async def export(self, user_id: UUID) -> AsyncIterator[tuple[str, Row]]:
        """Yield a person's rows by holding, with every personal field; secrets only by their presence."""
        for holding in self._holdings.collections:
            name, fields = self._holdings.name_of(holding), dict.fromkeys(exported_fields(holding), 1)
            async for row in self._of(holding).stream(holding.of(user_id), projection=fields):
                yield name, exported(holding, row)

    def _of(self, holding: CollectionHolding) -> Collection:
        return self._mongo.collection(holding.document)

    async def _thin_out(self, holding: CollectionHolding, user_id: UUID, pseudonym: UUID) -> Tally:
        rows, query, done = self._of(holding), _loose(holding, user_id), Tally()
        while await rows.count(query, limit=ROWS_AT_ONCE + 1) > ROWS_AT_ONCE:
            ids = [row["_id"] for row in await rows.find(query, limit=ROWS_AT_ONCE, projection={"_id": 1})]
            some = [Part(holding, {**query, "_id": {"$in": ids}})]
            done.add(await self._mongo.transaction(partial(self._erase, user_id, pseudonym, some)))
        return done

    async def _erase(self, user_id: UUID, pseudonym: UUID, parts: list[Part]) -> Tally:
        """Deal with parts inside the open transaction, their counts included."""
        done = Tally()
        for part in parts:
            if isinstance(part.holding.erase, Pseudonymise):
                done.add(await self._pseudonymise(part, part.holding.erase, pseudonym))
            elif gone := await self._of(part.holding).delete_many(part.query):
                done.erased[self._holdings.name_of(part.holding)] += gone
        if done.total:
            await self._progress.count(user_id, done)
        return done

    async def _pseudonymise(self, part: Part, erase: Pseudonymise, pseudonym: UUID) -> Tally:
        rows, name, made_at = (
            self._of(part.holding),
            self._holdings.name_of(part.holding),
            part.holding.made_at,
        )
        latest = await rows.find_one(part.query, sort=[(made_at, -1)])
        if latest is None:
            return Tally()
        until = _end_of(erase.keep_until, made_at)
        change: list[dict[str, Any]] = [
            {"$set": {part.holding.subject: pseudonym, GROUND: erase.ground, UNTIL: until}}
        ]
        if erase.drop:
            change.append({"$unset": list(erase.drop)})
        done = Tally(until={name: erase.keep_until.end_of(value_at(latest, made_at))})
        done.retained[name] += await rows.update_many(part.query, change)
        return done

    async def _still_there(self, holding: CollectionHolding, user_id: UUID) -> Left:
        of_person = {"$match": {holding.subject: {"$in": [user_id, str(user_id)]}}}
        is_held = {"$cond": [{"$gt": [f"${HELD}", None]}, 1, 0]}
        counted = {"$group": {"_id": None, "rows": {"$sum": 1}, "held": {"$sum": is_held}}}
        for found in await self._of(holding).aggregate([of_person, counted]):
            return Left(int(found["rows"] - found["held"]), int(found["held"]))
        return Left()


def _loose(holding: CollectionHolding, user_id: UUID) -> dict[str, Any]:
    """Return the filter that finds a person's rows but those that are held."""
    return {**holding.of(user_id), HELD: None}


def _end_of(kept: Retention, made_at: str) -> dict[str, Any]:
    """Return the expression of `Retention.end_of`, for the database to reckon with."""
    if kept.years:
        year = {"$add": [{"$year": f"${made_at}"}, kept.years + 1]}
        return {"$dateFromParts": {"year": year, "month": 1, "day": 1}}
    return {"$add": [f"${made_at}", (kept.period or timedelta()) // timedelta(milliseconds=1)]}


def value_at(row: Row, path: str) -> Any:
    """Return what is at a dotted path of a row. Raises KeyError."""
    value: Any = row
    for part in path.split("."):
        value = value[part]
    return value
