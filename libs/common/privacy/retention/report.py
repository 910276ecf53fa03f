"""How retention stands in a service: for each holding what ends it, what the last sweep did, and what is overdue."""

import asyncio
from datetime import datetime

from pydantic import BaseModel

from libs.common.clock import now
from libs.common.document import Index
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import (
    CollectionHolding,
    Holdings,
    ObjectsHolding,
    ProofHolding,
    Pseudonymise,
)
from libs.common.privacy.metrics import EXPIRY_MISSING, OVERDUE, SWEEP_COMPLETED
from libs.common.privacy.progress import Progress
from libs.common.privacy.retention.rules import Rule, expiries_of, rules_of
from libs.common.privacy.retention.sweep import RetentionSweep
from libs.common.privacy.retention.sweeps import Sweep
from libs.common.privacy.rows import value_at

MEASURE_EVERY_S = 60.0
OLDEST_LOOKED_AT = 1_000
MOST_COUNTED = 10_000

SWEEP, EXPIRY, ERASURE, BROKER = "sweep", "expiry-index", "erasure", "broker"
"""Who ends a retention."""


class ExpiryOut(BaseModel):
    """An index by which the database removes rows. Args: live: it is there, as it is declared."""

    index: str
    live: bool


class HoldingOut(BaseModel):
    """How the retention of one holding stands.

    `overdue` is how much should have gone, counted up to 10,000 and without what is held.
    `last_completed_at` is the moment that the last completed sweep went by.
    """

    holding: str
    kind: str
    kept: list[str]
    grounds: list[str]
    ended_by: list[str]
    last_completed_at: datetime | None = None
    under_way: bool = False
    removed: int = 0
    removed_in_all: int = 0
    left_alone: int = 0
    overdue: int = 0
    oldest_overdue_seconds: float = 0.0
    expiry: list[ExpiryOut] = []


class RetentionOut(BaseModel):
    """How retention stands in one service."""

    service: str
    at: datetime
    holdings: list[HoldingOut]


class Standing:
    """Measures what the sweep has left to do, from what is stored and not from what the sweep says."""

    def __init__(self, holdings: Holdings, mongo: Mongo, sweep: RetentionSweep, progress: Progress) -> None:
        self._holdings, self._mongo = holdings, mongo
        self._sweep, self._progress = sweep, progress

    async def measure_for_ever(self) -> None:
        """Keep the gauges up to date, for as long as the process lives."""
        while True:
            await self.measure(now())
            await asyncio.sleep(MEASURE_EVERY_S)

    async def measure(self, moment: datetime) -> None:
        """Set the gauges of every holding that anything but an erasure ends."""
        for held in self._holdings.collections:
            if any(rules_of(held)) or held.expiry:
                _gauge(await self._of_rows(held, moment))
        for proof in self._holdings.proofs:
            if proof.expiry:
                _gauge(await self._of_proofs(proof, moment))
        for each in self._holdings.objects:
            if each.kept.longest is not None:
                _gauge(await self._of_objects(each, moment))

    async def report(self, moment: datetime) -> RetentionOut:
        """Return how every holding stands."""
        rows = [await self._of_rows(held, moment) for held in self._holdings.collections]
        proofs = [await self._of_proofs(held, moment) for held in self._holdings.proofs]
        objects = [await self._of_objects(held, moment) for held in self._holdings.objects]
        topics = [
            HoldingOut(
                holding=held.topic, kind="topic", kept=[held.retention.name], grounds=[], ended_by=[BROKER]
            )
            for held in self._holdings.topics
        ]
        return RetentionOut(
            service=self._holdings.service, at=moment, holdings=[*rows, *proofs, *objects, *topics]
        )

    async def _of_rows(self, held: CollectionHolding, moment: datetime) -> HoldingOut:
        name, rules = self._holdings.name_of(held), [*rules_of(held), *expiries_of(held)]
        oldest = [await self._oldest(rule, moment) for rule in rules]
        return HoldingOut(
            holding=name,
            kind="rows",
            kept=_kept(held),
            grounds=_grounds(held),
            ended_by=[*([SWEEP] if any(rules_of(held)) else []), *([EXPIRY] if held.expiry else []), ERASURE],
            overdue=sum(
                [await self._count(rule, moment) for rule, age in zip(rules, oldest, strict=True) if age]
            ),
            oldest_overdue_seconds=max(oldest, default=0.0),
            expiry=[await self._live(held, index) for index in held.expiry],
            **_last(await self._sweep.sweeps.of(name)),
        )

    async def _of_proofs(self, held: ProofHolding, moment: datetime) -> HoldingOut:
        """Return how rows stand that an erasure leaves: if anything ends them, it is the time that they name."""
        rows, oldest, overdue = self._mongo.collection(held.document.collection), moment, 0
        for index in held.expiry:
            path = index.keys[0][0]
            over = {path: {"$lt": moment}}
            overdue += await rows.count(over, limit=MOST_COUNTED)
            first = await rows.find_one(over, sort=[(path, 1)], projection={path: 1})
            oldest = min(oldest, first[path] if first else moment)
        return HoldingOut(
            holding=self._holdings.name_of(held),
            kind="proofs",
            kept=[held.kept.name],
            grounds=[held.ground],
            ended_by=[EXPIRY] if held.expiry else [],
            overdue=overdue,
            oldest_overdue_seconds=(moment - oldest).total_seconds(),
            expiry=[await self._live(held, index) for index in held.expiry],
        )

    async def _of_objects(self, held: ObjectsHolding, moment: datetime) -> HoldingOut:
        """Return how objects stand: a bucket is not listed for it, the sweep notes the oldest that it leaves."""
        name = self._holdings.name_of(held)
        sweep, timed = await self._sweep.sweeps.of(name), held.kept.longest is not None
        ended = held.kept.end_of(sweep.oldest_kept) if timed and sweep.oldest_kept else moment
        return HoldingOut(
            holding=name,
            kind="objects",
            kept=[held.kept.name],
            grounds=[held.content.basis.value],
            ended_by=[*([SWEEP] if timed else []), ERASURE],
            oldest_overdue_seconds=max(0.0, (moment - ended).total_seconds()),
            **_last(sweep),
        )

    async def _oldest(self, rule: Rule, moment: datetime) -> float:
        """Return for how many seconds the oldest row has been over that the sweep would remove now."""
        wanted = dict.fromkeys(("_id", rule.path, rule.holding.subject), 1)
        rows = await self._mongo.collection(rule.holding.document.collection).find(
            rule.over(moment), sort=[(rule.path, 1)], limit=OLDEST_LOOKED_AT, projection=wanted
        )
        subjects = [value_at(row, rule.holding.subject) for row in rows]
        frozen = await self._progress.open_among(subjects)
        ends = [rule.end_of(row) for row, who in zip(rows, subjects, strict=True) if who not in frozen]
        return max(0.0, (moment - min(ends)).total_seconds()) if ends else 0.0

    async def _count(self, rule: Rule, moment: datetime) -> int:
        rows = self._mongo.collection(rule.holding.document.collection)
        return await rows.count(rule.over(moment), limit=MOST_COUNTED)

    async def _live(self, held: CollectionHolding | ProofHolding, index: Index) -> ExpiryOut:
        """Look whether the database has an index as it is declared."""
        live = await self._mongo.collection(held.document.collection).expiries()
        path = index.keys[0][0]
        declared = index.expire_after.total_seconds() if index.expire_after is not None else None
        return ExpiryOut(index=path, live=live.get(path) == declared)


def _gauge(standing: HoldingOut) -> None:
    OVERDUE.labels(standing.holding).set(standing.oldest_overdue_seconds)
    EXPIRY_MISSING.labels(standing.holding).set(sum(not each.live for each in standing.expiry))
    if standing.last_completed_at:
        SWEEP_COMPLETED.labels(standing.holding).set(standing.last_completed_at.timestamp())


def _last(sweep: Sweep) -> dict[str, object]:
    return {
        "last_completed_at": sweep.completed_at,
        "under_way": sweep.begun_at is not None,
        "removed": sweep.removed,
        "removed_in_all": sweep.removed_in_all,
        "left_alone": sweep.left_alone,
    }


def _kept(held: CollectionHolding) -> list[str]:
    """Return how long the fields of a holding are kept, and what the law has after that."""
    names = [held.kept.name] if held.kept else [mark.retention.name for mark in held.about.values()]
    if isinstance(held.erase, Pseudonymise):
        names.append(held.erase.keep_until.name)
    return sorted(dict.fromkeys(names or [mark.retention.name for mark in held.personal.values()]))


def _grounds(held: CollectionHolding) -> list[str]:
    marks = (held.about or held.personal).values()
    grounds = [held.basis.value] if held.basis else [mark.basis.value for mark in marks]
    if isinstance(held.erase, Pseudonymise):
        grounds.append(held.erase.ground)
    return sorted(dict.fromkeys(grounds))
