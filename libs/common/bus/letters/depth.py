"""How many letters wait in each group, and for how long: for gauges and for people."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from libs.common.bus import metrics
from libs.common.bus.letters.rows import WAITING, DeadLetter, ParkedKey, State
from libs.common.clock import now
from libs.common.mongo import Filter, Mongo

SHOW_EVERY_S = 2.0
"""Whoever reads the gauges does not look more often, and each time all that waits is counted."""


@dataclass(frozen=True, slots=True)
class GroupDepth:
    """One group's letters that wait.

    Args:     lanes: keys whose letters are being delivered, one after the other; oldest_age_s: of the open one that
              waits longest, 0 where none is.
    """

    group: str
    open: int
    parked: int
    redriving: int
    lanes: int
    oldest_age_s: float


async def measure_depths(mongo: Mongo, groups: Iterable[str]) -> list[GroupDepth]:
    """Return the depth of each group, and of groups that are no more and still have letters."""
    by_state = {
        "_id": {"group": "$group", "state": "$state"},
        "count": {"$sum": 1},
        "oldest": {"$min": "$at"},
    }
    pipeline: list[Filter] = [{"$match": {"state": {"$in": WAITING}}}, {"$group": by_state}]
    rows = await mongo.collection(DeadLetter).aggregate(pipeline)
    counts = {(row["_id"]["group"], row["_id"]["state"]): row for row in rows}
    lanes = await _lanes(mongo)
    names = {*groups, *(group for group, _ in counts)}
    return [
        _depth(name, {state: counts.get((name, state), {}) for state in WAITING}, lanes.get(name, 0))
        for name in sorted(names)
    ]


async def _lanes(mongo: Mongo) -> dict[str, int]:
    """Return how many lanes of each group run."""
    pipeline: list[Filter] = [
        {"$match": {"draining": True}},
        {"$group": {"_id": "$group", "count": {"$sum": 1}}},
    ]
    return {row["_id"]: row["count"] for row in await mongo.collection(ParkedKey).aggregate(pipeline)}


def _depth(group: str, rows: dict[State, dict[str, object]], lanes: int) -> GroupDepth:
    oldest = rows[State.OPEN].get("oldest")
    age_s = (now() - oldest).total_seconds() if isinstance(oldest, datetime) else 0.0
    counts = {state.value: int(str(row.get("count", 0))) for state, row in rows.items()}
    return GroupDepth(group, lanes=lanes, oldest_age_s=max(0.0, age_s), **counts)


class Depths:
    """The gauges of one service's groups, shown by the process that redrives."""

    def __init__(self, mongo: Mongo, groups: Iterable[str]) -> None:
        self._mongo, self._groups = mongo, list(groups)
        self._due_at = 0.0

    async def show(self) -> None:
        """Set the gauges to what is in the database, unless they were set a moment ago."""
        if time.monotonic() < self._due_at:
            return
        for depth in await measure_depths(self._mongo, self._groups):
            for state in WAITING:
                metrics.DLQ_DEPTH.labels(depth.group, state.value).set(getattr(depth, state.value))
            metrics.DLQ_OLDEST_AGE.labels(depth.group).set(depth.oldest_age_s)
        self._due_at = time.monotonic() + SHOW_EVERY_S

    def forget(self) -> None:
        """Show nothing any more: another process does."""
        self._due_at = 0.0
        metrics.DLQ_DEPTH.clear()
        metrics.DLQ_OLDEST_AGE.clear()
