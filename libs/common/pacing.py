"""How often something may be tried: counted in one step, so that parallel tries cannot slip through."""

import hashlib
import hmac
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID

from prometheus_client import Counter
from pydantic import Field, SecretStr

from libs.common.clock import now
from libs.common.document import Document, Index
from libs.common.errors import SubjectErased, TooMany
from libs.common.mongo import DuplicateKeyError, Mongo
from libs.common.privacy.annotations import DAY, Basis, Operational, Personal, Purpose
from libs.common.privacy.holdings import CollectionHolding
from libs.common.work import UnitOfWork

NOBODY = UUID(int=0)
"""Stands for the account of a login that has none, so that both take the same steps."""
RACES = 5
MOST_DOUBLINGS = 20
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Not blocked, also for a try whose clock was read a moment earlier."""

THROTTLED = Counter("pixera_throttled", "Tries that were told to wait.", ("what",))


class Throttle(Document):
    """How often something was tried lately.

    The key is a keyed hash of what was typed, the same for known and unknown accounts. `user_id` is there for the
    erasure alone: nothing is found by it, and a row about a login that has no account lasts for a day.
    """

    collection: ClassVar[str] = "throttles"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("user_id", 1),)),)

    id: Annotated[
        str,
        Personal("user.unique_id.pseudonymous", Purpose.SECURITY, Basis.LEGITIMATE_INTERESTS, DAY),
    ] = Field(alias="_id")
    user_id: Annotated[UUID | None, Personal("user.unique_id", Purpose.SECURITY)] = None
    tries: Operational[int] = 0
    tried_at: Operational[datetime]
    blocked_until: Operational[datetime]


THROTTLES = CollectionHolding(Throttle, made_at="tried_at")
"""What a service holds that slows down what strangers can try."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast something may be tried again: `free` tries at once, then a delay that doubles, up to a longest."""

    free: int
    first_delay_s: int
    longest_delay_s: int


class Pacing:
    """Lets tries through at their pace.

    Personal: a key is a keyed hash: it leads to nobody without the key that is not in the database, and lasts a day.
    """

    def __init__(self, mongo: Mongo, work: UnitOfWork, key: SecretStr) -> None:
        self._rows, self._work = mongo.collection(Throttle), work
        self._key = key.get_secret_value().encode()

    def key(self, *parts: str) -> str:
        """Return what tries of something are counted by."""
        return hmac.new(self._key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()

    async def enter(self, what: str, paces: Mapping[str, Pace], user_id: UUID | None) -> list[str]:
        """Count a try by each key before it is made; return the keys, to be cleared where it succeeds.

        Args:     user_id: whose account it is about, if anybody's: it is counted inside that fence.
        Raises:   TooMany (429), with Retry-After; nothing is counted then.
        """
        wait = await self._wait(paces, user_id)
        if wait > timedelta(0):
            THROTTLED.labels(what).inc()
            raise TooMany("too many tries, wait a little", retry_after=math.ceil(wait.total_seconds()))
        return list(paces)

    async def clear(self, keys: Iterable[str]) -> None:
        """Forget the tries, because one succeeded."""
        await self._rows.delete_many({"_id": {"$in": list(keys)}})

    async def _wait(self, paces: Mapping[str, Pace], user_id: UUID | None) -> timedelta:
        """Count a try and return zero, or return how long to wait (then nothing is counted)."""
        for _ in range(RACES):
            moment = now()
            try:
                await self._work.run(
                    lambda: self._count(paces, user_id, moment),  # noqa: B023 - run in here
                    subject=user_id or NOBODY,
                )
                return timedelta(0)
            except SubjectErased:  # closed a moment ago: it counts as a login that has no account
                user_id = None
            except DuplicateKeyError:
                wait = await self._blocked_for(paces, moment)
                if wait > timedelta(0):
                    return wait
        return timedelta(seconds=1)

    async def _count(self, paces: Mapping[str, Pace], user_id: UUID | None, moment: datetime) -> None:
        """Count a try by each key, in an open transaction.

        Raises:   DuplicateKeyError: one is blocked, or another first try was stored a moment ago. The transaction
                  is void, so that nothing is counted.
        """
        for key, pace in paces.items():
            query = {"_id": key, "blocked_until": {"$lte": moment}}
            await self._rows.find_one_and_update(query, _counted(user_id, moment, pace), upsert=True)

    async def _blocked_for(self, keys: Iterable[str], moment: datetime) -> timedelta:
        wanted = list(keys)
        rows = await self._rows.find({"_id": {"$in": wanted}}, limit=len(wanted))
        return max([row["blocked_until"] - moment for row in rows], default=timedelta(0))


def _counted(user_id: UUID | None, now: datetime, pace: Pace) -> list[dict[str, Any]]:
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
