"""How often things were tried, counted in one step so that parallel tries cannot slip through."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from libs.common.mongo import DuplicateKeyError, Mongo
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

    async def enter(self, key: str, user_id: UUID | None, now: datetime, pace: Pace) -> timedelta:
        """Count a try before it is made; return zero, or how long to wait (then nothing is counted)."""
        while True:
            try:
                query = {"_id": key, "blocked_until": {"$lte": now}}
                await self._rows.find_one_and_update(query, _count(user_id, now, pace), upsert=True)
                return timedelta(0)
            except DuplicateKeyError:  # it is blocked, or another first try was stored a moment ago
                row = await self._rows.find_one({"_id": key})
                if row and (wait := row["blocked_until"] - now) > timedelta(0):
                    return timedelta(seconds=wait.total_seconds())

    async def clear(self, key: str) -> None:
        """Forget the tries, because one succeeded."""
        await self._rows.delete_one({"_id": key})


def _count(user_id: UUID | None, now: datetime, pace: Pace) -> list[dict[str, Any]]:
    """Return the update that adds one try and, past the free ones, blocks the next for a time that doubles."""
    doublings = {"$min": [{"$subtract": ["$tries", pace.free]}, MOST_DOUBLINGS]}
    delay_s = {"$min": [{"$multiply": [pace.first_delay_s, {"$pow": [2, doublings]}]}, pace.longest_delay_s]}
    until = {"$add": [now, {"$multiply": [delay_s, 1000]}]}
    return [
        {"$set": {"tries": {"$add": [{"$ifNull": ["$tries", 0]}, 1]}, "user_id": user_id, "tried_at": now}},
        {"$set": {"blocked_until": {"$cond": [{"$lt": ["$tries", pace.free]}, LONG_AGO, until]}}},
    ]
