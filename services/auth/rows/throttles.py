"""How often things were tried, counted in one step so that parallel tries cannot slip through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from libs.common.mongo import Mongo
from services.auth.models import Throttle

MOST_DOUBLINGS = 20
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Not blocked, also for a try whose clock was read a moment earlier."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast something may be tried again: `free` tries at once, then a delay that doubles, up to a longest."""

    free: int
    first_delay_s: int
    longest_delay_s: int


class Throttles:
    """The collection `throttles`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Throttle)

    async def count(self, paces: Mapping[str, Pace], user_id: UUID | None, now: datetime) -> None:
        """Count a try by each key before it is made, in an open transaction.

        Raises:   DuplicateKeyError: one is blocked, or another first try was stored a moment ago. The transaction
                  is void, so that nothing is counted.
        """
        for key, pace in paces.items():
            query = {"_id": key, "blocked_until": {"$lte": now}}
            await self._rows.find_one_and_update(query, _count(user_id, now, pace), upsert=True)

    async def wait(self, keys: Iterable[str], now: datetime) -> timedelta:
        """Return how long to wait until none of the keys is blocked."""
        wanted = list(keys)
        rows = await self._rows.find({"_id": {"$in": wanted}}, limit=len(wanted))
        return max([row["blocked_until"] - now for row in rows], default=timedelta(0))

    async def clear(self, keys: Iterable[str]) -> None:
        """Forget the tries, because one succeeded."""
        await self._rows.delete_many({"_id": {"$in": list(keys)}})


def _count(user_id: UUID | None, now: datetime, pace: Pace) -> list[dict[str, Any]]:
    """Return the update that adds one try and, past the free ones, blocks the next for a time that doubles.

    A row that an account's erasure would take stays one: it is not made nobody's by a later try.
    """
    whose = {"$ifNull": ["$user_id", None]} if user_id is None else user_id
    doublings = {"$min": [{"$subtract": ["$tries", pace.free]}, MOST_DOUBLINGS]}
    delay_s = {"$min": [{"$multiply": [pace.first_delay_s, {"$pow": [2, doublings]}]}, pace.longest_delay_s]}
    until = {"$add": [now, {"$multiply": [delay_s, 1000]}]}
    return [
        {"$set": {"tries": {"$add": [{"$ifNull": ["$tries", 0]}, 1]}, "user_id": whose, "tried_at": now}},
        {"$set": {"blocked_until": {"$cond": [{"$lt": ["$tries", pace.free]}, LONG_AGO, until]}}},
    ]
