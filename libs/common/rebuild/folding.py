"""From the log to the facts: every event once, nothing of people who are erased, and exact after a kill."""

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record, receive
from libs.common.bus.inbox import Inbox
from libs.common.bus.replay import Reading
from libs.common.bus.selection import Selection
from libs.common.mongo import Collection, Mongo
from libs.common.privacy.tombstones import Tombstones
from libs.common.rebuild.model import ReadModel
from libs.common.rebuild.runs import RebuildRun, RebuildRuns

CLEARED_AT_ONCE = 5_000


class Folding:
    """Reads what the log has, adds it to the facts, and tells whose rows that moved."""

    def __init__(
        self, mongo: Mongo, tombstones: Tombstones, runs: RebuildRuns, model: ReadModel, run: RebuildRun
    ) -> None:
        self._mongo, self._tombstones, self._runs = mongo, tombstones, runs
        self._model, self._run = model, run
        self._facts: Collection = mongo.collection(model.facts)
        self._inbox = Inbox(mongo, f"rebuild.{run.id}")
        self._readable = {event.type_name(): event for event in model.events}
        self._reading: Reading | None = None

    async def open(self, bootstrap: str) -> None:
        """Begin, or go on where an earlier try was. Raises: LogUnavailable, LeaseLost."""
        if not self._run.positions:
            await self.clear()
        topics = tuple(sorted({event.topic for event in self._model.events}))
        self._reading = await Reading.open(bootstrap, Selection(topics), positions=self._run.begins())

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            await self._reading.close()

    async def clear(self) -> None:
        """Throw away what was folded. Raises: LeaseLost."""
        while await self._mongo.transaction(self._clear_some):
            continue

    async def catch_up(self) -> set[Any]:
        """Fold all that the log has now; return the owners of what was folded.

        Raises:   LogUnavailable, LeaseLost.
        Effects:  facts, positions and inbox rows, a batch in one transaction.
        """
        reading, touched = self._opened(), set[Any]()
        await reading.extend()
        async for records in reading.batches():
            touched |= await self._take(records)
        return touched

    async def catch_up_first(self) -> None:
        """Fold all that there is before anything is compared. Raises: LogUnavailable, LeaseLost."""
        await self.catch_up()
        await self._runs.note_caught_up(self._run)

    async def _take(self, records: list[Record]) -> set[Any]:
        received = {one.id: one for one in self._readable_of(records)}
        owners = {one.fenced_subject for one in received.values() if one.fenced_subject is not None}
        self._run.events = await self._mongo.transaction(partial(self._fold, received, owners))
        if erased := await self._tombstones.among(owners):
            await self._tombstones.sweep(erased)
        return owners

    def _readable_of(self, records: Iterable[Record]) -> Iterable[Received]:
        """Yield the events of the model; what is none has had no effect on the live rows either."""
        for record in records:
            try:
                yield receive(record, self._readable)
            except (Malformed, NotSubscribed):
                continue

    async def _fold(self, received: dict[str, Received], owners: set[UUID]) -> int:
        """Add what is new; return how many events are folded by now.

        A relay that died may have published an event twice: it counts once.
        """
        erased, known = set(await self._tombstones.among(owners)), await self._inbox.known(received)
        fresh = {name: one for name, one in received.items() if name not in known}
        if fresh:
            await self._inbox.add(fresh)
        folded = [self._model.fold(one) for one in fresh.values() if one.fenced_subject not in erased]
        await self._facts.upsert_many((({"_id": each.key}, each.change) for each in folded), ordered=True)
        reading = self._opened()
        positions = {partition: span.position for partition, span in reading.spans.items()}
        events = self._run.events + len(fresh)
        await self._runs.note(self._run, positions, reading.read, reading.total, events=events)
        return events

    async def _clear_some(self) -> int:
        await self._runs.require(self._run)
        return await self._facts.delete_some({}, CLEARED_AT_ONCE) + await self._inbox.forget(CLEARED_AT_ONCE)

    def _opened(self) -> Reading:
        if self._reading is None:
            raise RuntimeError("the folding was not opened")
        return self._reading
