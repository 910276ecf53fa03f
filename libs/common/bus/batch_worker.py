"""Transactional handlers: a batch of events is one transaction and one commit of offsets."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from libs.common.bus import metrics
from libs.common.bus.effects import Effected, Effects
from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record
from libs.common.bus.ownership import Ownership, next_offsets
from libs.common.bus.parts import Parts
from libs.common.bus.settling import Abandoned, Outcome
from libs.common.bus.trouble import is_cut_short, is_passing
from libs.common.logging import logger

log = logger("bus.consumer")


@dataclass(slots=True)
class Run:
    """Neighbours in a batch: events and what the group does not read, or one record that cannot be read."""

    records: list[Record] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    ignored: list[Record] = field(default_factory=list)


class BatchWorker:
    """Runs one group's transactional handlers.

    A batch that fails for a reason that passes is repeated whole. One that fails for another is gone through one by
    one, each event in a transaction of its own, so that only the one that fails is given up; and so is one whose
    transaction the database ends each time, as what takes longer than one lives there.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._effects = parts, Effects(parts)
        self._busy = asyncio.Lock()
        self._concluding: asyncio.Task[None] | None = None

    async def room(self) -> int:
        """Return how many records are taken at most."""
        return self._parts.group.batch

    def assigned(self) -> None:
        """Learn anew which keys wait, before anything is taken."""
        self._parts.parking.expire()

    async def take(self, records: Sequence[Record], ownership: Ownership) -> None:
        """Settle records and commit their offsets.

        Raises:   TooManyDeadLetters: the consumer must stop; what was settled is committed.
        """
        async with self._busy:
            with metrics.BATCH_SECONDS.labels(self._parts.group.name).time():
                await self._settle(records, ownership)

    async def drain(self, within_s: float) -> None:
        """Wait until what is under way is settled, or the time is over."""
        try:
            async with asyncio.timeout(within_s), self._busy:
                if self._concluding is not None:
                    await asyncio.wait({self._concluding})
                self._concluding = None
        except TimeoutError:
            log.warning("batch.outlived_its_partitions", group=self._parts.group.name)

    async def close(self) -> None:
        """Leave nothing running; nothing does outside of `take`."""

    async def _settle(self, records: Sequence[Record], ownership: Ownership) -> None:
        """Settle the runs of records in their order."""
        try:
            await self._parts.settler.persist(records[0], self._parts.parking.refresh, ownership.pause)
            for run in self._runs(records):
                await self._settle_run(run, ownership)
        except Abandoned:
            log.info("batch.abandoned", group=self._parts.group.name, records=len(records))

    def _runs(self, records: Sequence[Record]) -> list[Run]:
        """Part a batch where a record cannot be read: what comes behind it may have to wait for it."""
        runs = [Run()]
        for record in records:
            try:
                received = self._parts.receive(record)
            except NotSubscribed:
                runs[-1].ignored.append(record)
            except Malformed:
                runs += [Run([record]), Run()]
                continue
            else:
                runs[-1].received.append(received)
            runs[-1].records.append(record)
        return [run for run in runs if run.records]

    async def _settle_run(self, run: Run, ownership: Ownership) -> None:
        """Let wait what must, and settle the rest together, or else one by one."""
        settled = {id(record) for record in run.ignored} | await self._waiting(run.received, ownership)
        if run.ignored:
            self._parts.count(run.ignored, Outcome.IGNORED)
        rest = [one for one in run.received if id(one.record) not in settled]
        if len(settled) < len(run.records) and not (rest and await self._as_one(rest, ownership)):
            await self._one_by_one(run.records, settled, ownership)
        else:
            await self._concluded()
            self._concluding = asyncio.create_task(self._conclude(run.records, rest, ownership))

    async def _waiting(self, received: Sequence[Received], ownership: Ownership) -> set[int]:
        """Park the events whose key waits; return which records that were."""
        lanes: dict[tuple[str, bytes | None], list[Received]] = {}
        for one in await self._parts.held(received, ownership.pause):
            lanes.setdefault((one.topic, one.record.key), []).append(one)
        waiting = set()
        for ones in lanes.values():
            if outcome := await self._parts.parked(ones, ownership.pause):
                self._parts.count([one.record for one in ones], outcome)
                waiting |= {id(one.record) for one in ones}
        return waiting

    async def _as_one(self, received: list[Received], ownership: Ownership) -> bool:
        """Give all events their effect together; return whether that could be done."""
        backoff = self._parts.settler.backoff()
        while True:
            try:
                self._count(await self._effects.together(received))
            except Exception as error:  # noqa: BLE001 - a handler may raise anything
                if is_cut_short(error) or not is_passing(error):
                    return False
                self._parts.settler.note_retry(error, received[0].record)
            else:
                return True
            await ownership.pause(backoff.next())

    async def _conclude(
        self, records: Sequence[Record], received: list[Received], ownership: Ownership
    ) -> None:
        """Look at the fence again and commit the offsets, while the next batch is at work already."""
        sweep = partial(self._parts.sweep_late, received)
        with suppress(Abandoned):  # the records come again, and are looked at as duplicates
            await self._parts.settler.persist(records[0], sweep, ownership.pause)
            await ownership.commit(next_offsets(records))

    async def _concluded(self) -> None:
        """Wait for the batch before: offsets are committed in order. Raises: what went wrong there."""
        if self._concluding is not None:
            await self._concluding

    async def _one_by_one(self, records: Sequence[Record], settled: set[int], ownership: Ownership) -> None:
        """Settle, in order, those that are not settled yet; commit up to where that gets."""
        passed = []
        await self._concluded()
        try:
            for record in records:
                if id(record) not in settled:
                    await self._settle_one(record, ownership)
                passed.append(record)
        finally:
            await ownership.commit(next_offsets(passed))

    async def _settle_one(self, record: Record, ownership: Ownership) -> None:
        """Settle a record by itself; one before it may have failed a moment ago, and it then waits."""
        outcome = await self._parts.parked_behind(record, ownership.pause)
        if outcome is None:
            attempt = partial(self._effects.single, record)
            outcome = await self._parts.settler.settle(record, attempt, ownership.pause)
        self._parts.count([record], outcome)

    def _count(self, effected: Effected) -> None:
        counted = (
            (Outcome.DONE, effected.done),
            (Outcome.ERASED, effected.erased),
            (Outcome.DUPLICATE, effected.duplicates),
        )
        for outcome, ones in counted:
            if ones:
                self._parts.count([one.record for one in ones], outcome)
