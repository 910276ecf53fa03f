"""What is kept for a time goes when the time is over: rows, single fields, objects, and what the law had kept."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from libs.common.bus.lease import Lease, LeaseLost
from libs.common.collection import Collection, Filter, Row
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import CollectionHolding, Holding, Holdings, ObjectsHolding
from libs.common.privacy.item_holds import ItemHolds
from libs.common.privacy.metrics import EXPIRED
from libs.common.privacy.objects import Objects
from libs.common.privacy.outside import Outside
from libs.common.privacy.progress import Progress
from libs.common.privacy.retention.rules import Rule, rules_of
from libs.common.privacy.retention.sweeps import Done, Sweep, Sweeps
from libs.common.privacy.rows import value_at
from libs.common.storage import Aged

BATCH = 1_000
LEASE_S = 30.0
PREFIX = 4
"""So much of an object's name is kept as a position: a sixty-thousandth of a bucket is listed again, and it says
nothing of anybody."""

log = logger("privacy.retention")


class RetentionSweep:
    """Ends retentions in one service's database and buckets, as the fields and objects declare them.

    A batch at a time, in the order of time. Rows go in the transaction that counts them and keeps where the sweep is:
    whoever goes on after a kill finds either both or neither. Objects, which no transaction reaches, go first and are
    counted then. So does what outside parties have of rows: a checkout that nobody knows here could still be paid. It
    leaves alone who is frozen, since what was counted for an erasure goes by that alone, and what is held.
    """

    def __init__(  # noqa: PLR0917 - the holder is its one caller
        self,
        holdings: Holdings,
        mongo: Mongo,
        objects: Objects,
        progress: Progress,
        holds: ItemHolds,
        outside: Outside,
    ) -> None:
        self._holdings, self._mongo = holdings, mongo
        self._objects, self._progress, self._holds = objects, progress, holds
        self._outside = outside
        self._lease = Lease(mongo, "retention", LEASE_S)
        self.sweeps = Sweeps(mongo)

    @property
    def timed(self) -> dict[str, Holding]:
        """Return the holdings of which anything is ended by the time, by name."""
        timed: list[Holding] = [held for held in self._holdings.collections if any(rules_of(held))]
        timed += [held for held in self._holdings.objects if held.kept.longest is not None]
        return {self._holdings.name_of(held): held for held in timed}

    async def prepare(self) -> None:
        """Make the indexes by which the sweep finds its rows."""
        for holding in self._holdings.collections:
            await self._of(holding).ensure_indexes([rule.index for rule in rules_of(holding)])

    async def run(self, now: datetime) -> dict[str, int]:
        """End every retention that is over; return how many rows, fields or objects went, by holding."""
        return {name: await self.end(name, now) for name in self.timed}

    async def run_due(self, now: datetime, every: timedelta) -> dict[str, int]:
        """End what is over in holdings that were not swept for so long; one process of the service does it at a time.

        A holding that cannot be swept holds up no other: it stays due.

        Raises:   LeaseLost: another process has taken over; it goes on where this one was.
        """
        if not await self._due(now, every):
            return {}
        async with self._lease.held():
            due = await self._due(now, every)
            return {name: await self._ended(name, now) for name in due}

    async def end(self, name: str, now: datetime, require: Callable[[], None] = lambda: None) -> int:
        """End what is over in one holding, going on where a process before this one was; return how much went."""
        holding, sweep = self.timed[name], await self.sweeps.of(name)
        sweep.begin(now)
        removed_before = sweep.removed_in_all
        parts = _parts(holding)
        while sweep.part < len(parts):
            async for gone in self._swept(holding, parts[sweep.part], sweep):
                EXPIRED.labels(name).inc(gone)
                require()
            sweep.next_part()
        sweep.complete()
        await self.sweeps.save(sweep)
        return sweep.removed_in_all - removed_before

    async def _ended(self, name: str, now: datetime) -> int:
        """End what is over in one holding, under the lease; return how much went, nothing where it failed."""
        try:
            return await self.end(name, now, self._lease.require)
        except LeaseLost:
            raise
        except Exception as error:
            log.warning("retention.not_swept", holding=name, exc_info=error)
        self._lease.require()  # a failure may have taken long
        return 0

    async def _due(self, now: datetime, every: timedelta) -> list[str]:
        found = [await self.sweeps.of(name) for name in self.timed]
        return [each.id for each in found if each.completed_at is None or each.completed_at <= now - every]

    def _swept(self, holding: Holding, rule: Rule | None, sweep: Sweep) -> AsyncIterator[int]:
        if isinstance(holding, ObjectsHolding):
            return self._sweep_objects(holding, sweep)
        if rule is None:
            raise TypeError("rows are swept by a rule")
        return self._sweep_rows(rule, sweep)

    async def _sweep_rows(self, rule: Rule, sweep: Sweep) -> AsyncIterator[int]:
        """Remove what is over, a batch at a time; yield how much of each went.

        Raises:   PixeraError: an outside party does not erase what it has of them just now.
        """
        rows, over = self._of(rule.holding), rule.over(sweep.moment)
        async for batch in _batches(rows, rule, over, sweep.position):
            if rule.ends_what_is_in_use:
                await self._outside.let_go(rule.holding.document, await self._not_frozen(rule, batch))
            done = await self._mongo.transaction(partial(self._end_batch, rule, batch, sweep))
            sweep.note(*done)
            yield done.gone

    async def _end_batch(self, rule: Rule, batch: list[Row], sweep: Sweep) -> Done:
        """Remove of a batch what is not left alone, and keep where the sweep is then, in the open transaction."""
        ids = await self._not_frozen(rule, batch)
        ours = {**rule.over(sweep.moment), "_id": {"$in": ids}}
        gone = await _remove(self._of(rule.holding), rule, ours) if ids else 0
        done = Done(value_at(batch[-1], rule.path), gone, len(batch) - len(ids))
        after = sweep.model_copy()
        after.note(*done)
        await self.sweeps.save(after)
        return done

    async def _not_frozen(self, rule: Rule, batch: list[Row]) -> list[Any]:
        """Return the keys of a batch's rows whose people are not being erased."""
        frozen = await self._progress.open_among({value_at(row, rule.holding.subject) for row in batch})
        return [row["_id"] for row in batch if value_at(row, rule.holding.subject) not in frozen]

    async def _sweep_objects(self, holding: ObjectsHolding, sweep: Sweep) -> AsyncIterator[int]:
        """Remove object versions that are over, a page of the bucket at a time; yield how many of each went."""
        over_before = holding.kept.over_before(sweep.moment)
        spared = await self._objects.spared(holding, self._holds)
        async for page in self._objects.aged(holding, str(sweep.position or "")):
            dated = [(each, each.modified) for each in page if each.modified is not None]
            old = [each for each, stored_at in dated if stored_at < over_before]
            ours = [each for each in old if not spared(each.name)]
            gone = await self._expire(holding, ours, sweep)
            sweep.keep(stored_at for _, stored_at in dated if stored_at >= over_before)
            sweep.note(page[-1].name[:PREFIX], gone, len(old) - gone)
            await self.sweeps.save(sweep)
            yield gone

    async def _expire(self, holding: ObjectsHolding, over: list[Aged], sweep: Sweep) -> int:
        """Remove versions of a page; return how many. Where it fails they are overdue, and the next sweep's."""
        try:
            return await self._objects.expire(holding, over)
        except Exception as error:
            log.warning("objects.not_expired", holding=sweep.id, objects=len(over), exc_info=error)
        sweep.keep(each.modified for each in over if each.modified is not None)
        return 0

    def _of(self, holding: CollectionHolding) -> Collection:
        """Return the collection as it is stored: nothing of a row has to be opened to be removed."""
        return self._mongo.collection(holding.document.collection)


def _parts(holding: Holding) -> list[Rule | None]:
    return list(rules_of(holding)) if isinstance(holding, CollectionHolding) else [None]


async def _remove(rows: Collection, rule: Rule, over: Filter) -> int:
    if rule.field is None:
        return await rows.delete_many(over)
    return await rows.update_many(over, {"$unset": {rule.field: ""}})


async def _batches(rows: Collection, rule: Rule, over: Filter, position: Any) -> AsyncIterator[list[Row]]:
    """Yield the rows that match from a time on, in its order; whoever takes them need not remove them all."""
    wanted = dict.fromkeys(("_id", rule.path, rule.holding.subject), 1)
    behind: Filter = {rule.path: {"$gte": position}} if position else {}
    order = [(rule.path, 1), ("_id", 1)]
    while batch := await rows.find({"$and": [over, behind]}, sort=order, limit=BATCH, projection=wanted):
        yield batch
        at, key = value_at(batch[-1], rule.path), batch[-1]["_id"]
        behind = {"$or": [{rule.path: {"$gt": at}}, {rule.path: at, "_id": {"$gt": key}}]}
