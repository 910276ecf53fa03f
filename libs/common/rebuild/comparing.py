"""Live rows and rebuilt ones, compared byte for byte, person by person, each at a moment of rest (ADR 0024).

In one snapshot are seen: a person's live rows, their facts, and what of theirs waits in the outbox. Then the log is
read to its end. Whoever had nothing in the outbox, and nothing in the log since, was at rest in that snapshot: all of
their events were folded and all of their writes were seen. Others are looked at again later.
"""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from libs.common.bus.outbox import OutboxRow
from libs.common.bus.topics import kept
from libs.common.clock import MOST_APART
from libs.common.mongo import Collection, Mongo, Row, row_bytes
from libs.common.privacy.rows import HELD
from libs.common.privacy.tombstones import Tombstones
from libs.common.rebuild.model import Batch, Change, Judged, ReadModel
from libs.common.rebuild.runs import RebuildRun, RebuildRuns

BETWEEN_CLOCKS = 2 * MOST_APART
"""Whoever stamped a row's beginning, the database and the broker have clocks of their own."""
LOOKED_AT = 1_000
MOST_ROWS = 1_000_000


class Comparing:
    """Compares a read model with what was folded, and puts right what differs where that is wanted."""

    def __init__(
        self, mongo: Mongo, tombstones: Tombstones, runs: RebuildRuns, model: ReadModel, run: RebuildRun
    ) -> None:
        self._mongo, self._tombstones, self._runs = mongo, tombstones, runs
        self._model, self._run = model, run
        self._live, self._facts = mongo.collection(model.live), mongo.collection(model.facts)
        self._outbox = mongo.collection(OutboxRow)
        self._topics = sorted({event.topic for event in model.events})

    async def owners_after(self, last: UUID | None) -> list[UUID]:
        """Return the next people who have rows or facts, by id."""
        found = [await self._owners(rows, last) for rows in (self._live, self._facts)]
        # Where one side gave all it was asked for, nothing is known of it beyond its last.
        ends = [owners[-1] for owners, whole in found if owners and not whole]
        owners = sorted({owner for owners, _ in found for owner in owners})
        within = [owner for owner in owners if not ends or owner <= min(ends)]
        return within[: self._model.people_at_once]

    async def look(self, owners: list[UUID]) -> Batch:
        """Return what there is of these people, at one moment."""
        return await self._mongo.transaction(partial(self._look, owners))

    async def judge(self, batch: Batch, moving: set[UUID]) -> Judged:
        """Compare the rows of those at rest. Rows that the log may not have all of are counted and left alone."""
        apart = moving | batch.moving | batch.erased
        facts = [each for each in batch.facts.values() if self._owner(each) not in apart]
        rebuilt = dict(zip((each["_id"] for each in facts), await self._model.rows(facts), strict=True))
        live = {key: row for key, row in batch.live.items() if self._owner(row) not in apart}
        whole_since = await self._whole_since()
        whole = [each["_id"] for each in facts if _is_since(whole_since, self._model.began_at(each))]
        pairs = [(key, live.get(key), rebuilt[key]) for key in whole]
        there = [pair for pair in pairs if pair[1:] != (None, None)]
        changes = [pair for pair in there if _bytes(pair[1]) != _bytes(pair[2])]
        return Judged(len(there), len(live.keys() - set(whole)), changes)

    async def erased_of(self, changes: list[Change]) -> bool:
        """Tell whether somebody whose rows differ is being, or has been, erased."""
        return bool(await self._tombstones.among(self._owners_of(changes)))

    async def put_right(self, changes: list[Change]) -> bool:
        """Replace rows by rebuilt ones, in one transaction; False, and nothing, where one has changed meanwhile.

        A write at the same moment is not lost: one of the two transactions meets the other, and is done again.

        Raises:   LeaseLost: by now another folds into the facts that these rows were rebuilt from.
        """
        owners = self._owners_of(changes)
        done = await self._mongo.transaction(partial(self._put_right, changes, owners))
        if done:
            self._run.corrected += len(changes)
        if erased := await self._tombstones.among(owners):
            await self._tombstones.sweep(erased)
        return done

    async def _whole_since(self) -> datetime:
        """Return since when the log surely has everything.

        A topic loses whole segments, each partition at a time of its own: of a row whose beginning is about as old as
        the retention, the beginning may be there, and what followed be gone.
        """
        return await self._mongo.time() - min(kept(topic).period for topic in self._topics) + BETWEEN_CLOCKS

    async def _look(self, owners: list[UUID]) -> Batch:
        chosen = {self._model.owner: {"$in": owners}}
        waiting = {"topic": {"$in": self._topics}, "key": {"$in": [str(owner) for owner in owners]}}
        live = await self._live.find(chosen | self._model.shown, limit=MOST_ROWS)
        facts = await self._facts.find(chosen, limit=MOST_ROWS)
        outbox = await self._outbox.find(waiting, limit=MOST_ROWS, projection={"key": 1})
        return Batch(
            live={row["_id"]: row for row in live},
            facts={row["_id"]: row for row in facts},
            moving={UUID(row["key"]) for row in outbox},
            erased=set(await self._tombstones.among(owners)),
        )

    async def _put_right(self, changes: list[Change], owners: set[UUID]) -> bool:
        if await self._tombstones.among(owners):
            return False
        keys = [key for key, *_ in changes]
        now = {row["_id"]: row for row in await self._live.find({"_id": {"$in": keys}}, limit=len(keys))}
        if any(_bytes(now.get(key)) != _bytes(before) for key, before, _ in changes):
            return False
        changes = [(key, before, _as_held(before, after)) for key, before, after in changes]
        await self._live.delete_many({"_id": {"$in": keys}})
        await self._live.insert_many([after for *_, after in changes if after is not None])
        await self._runs.note_corrected(self._run, self._run.corrected + len(changes))
        return True

    async def _owners(self, rows: Collection, last: UUID | None) -> tuple[list[UUID], bool]:
        """Return whose rows come next, and whether these are all there are."""
        path = self._model.owner
        query = {path: {"$gt": last}} if last else {}
        found = await rows.find(query, sort=[(path, 1)], limit=LOOKED_AT, projection={path: 1})
        return sorted({row[path] for row in found}), len(found) < LOOKED_AT

    def _owners_of(self, changes: list[Change]) -> set[UUID]:
        return {self._owner(row) for _, *rows in changes for row in rows if row is not None}

    def _owner(self, row: Row) -> Any:
        return row[self._model.owner]


def _is_since(moment: datetime, began_at: datetime | None) -> bool:
    return began_at is not None and began_at > moment


def _as_held(before: Row | None, after: Row | None) -> Row | None:
    """Return what comes in place of a row: one that is held stays, and stays held, whatever the log says."""
    if not before or HELD not in before:
        return after
    return (after or before) | {HELD: before[HELD]}


def _bytes(row: Row | None) -> bytes | None:
    """Return a row's bytes, without the mark that it is held: the log does not know that."""
    return None if row is None else row_bytes({name: row[name] for name in row if name != HELD})
