"""Transactional handlers: a batch of events is one transaction and one commit of offsets."""

import asyncio
from collections.abc import Sequence
from functools import partial

from libs.common.bus import metrics
from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record
from libs.common.bus.ownership import Ownership, next_offsets
from libs.common.bus.parts import Parts
from libs.common.bus.settling import Abandoned, Outcome
from libs.common.bus.tracing import continued
from libs.common.bus.trouble import is_passing
from libs.common.logging import logger

log = logger("bus.consumer")


class BatchWorker:
    """Runs one group's transactional handlers.

    A batch that fails for a reason that passes is repeated whole; one that fails for another is gone through one
    by one, each event in a transaction of its own, so that only the one that fails is given up.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._busy = asyncio.Lock()

    async def room(self) -> int:
        """Return how many records are taken at most."""
        return self._parts.group.batch

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
                return
        except TimeoutError:
            log.warning("batch.outlived_its_partitions", group=self._parts.group.name)

    async def close(self) -> None:
        """Leave nothing running; nothing does outside of `take`."""

    async def _settle(self, records: Sequence[Record], ownership: Ownership) -> None:
        """Settle what cannot be read first, then the rest together, or else one by one."""
        readable, unreadable = self._sifted(records)
        try:
            for record in unreadable:
                await self._settle_one(record, ownership)
            if readable and not await self._as_one(readable, ownership):
                await self._one_by_one(records, {id(record) for record in unreadable}, ownership)
            else:
                await ownership.commit(next_offsets(records))
        except Abandoned:
            log.info("batch.abandoned", group=self._parts.group.name, records=len(records))

    def _sifted(self, records: Sequence[Record]) -> tuple[list[Received], list[Record]]:
        readable, unreadable = [], []
        for record in records:
            try:
                readable.append(self._parts.receive(record))
            except (Malformed, NotSubscribed):
                unreadable.append(record)
        return readable, unreadable

    async def _as_one(self, received: list[Received], ownership: Ownership) -> bool:
        """Give all events their effect together; return whether that could be done."""
        backoff = self._parts.settler.backoff()
        while True:
            try:
                await self._effect(received)
            except Exception as error:  # noqa: BLE001 - a handler may raise anything
                if not is_passing(error):
                    return False
                self._parts.settler.note_retry(error, received[0].record)
            else:
                return True
            await ownership.pause(backoff.next())

    async def _one_by_one(self, records: Sequence[Record], settled: set[int], ownership: Ownership) -> None:
        """Settle, in order, those that are not settled yet; commit up to where that gets."""
        passed = []
        try:
            for record in records:
                if id(record) not in settled:
                    await self._settle_one(record, ownership)
                passed.append(record)
        finally:
            await ownership.commit(next_offsets(passed))

    async def _settle_one(self, record: Record, ownership: Ownership) -> None:
        outcome = await self._parts.settler.settle(record, partial(self._single, record), ownership.pause)
        if outcome is not Outcome.DONE:  # `_effect` counts what it did itself
            self._parts.count([record], outcome)

    async def _single(self, record: Record) -> None:
        await self._effect([self._parts.receive(record)])

    async def _effect(self, received: list[Received]) -> None:
        """Commit inbox rows, effects and new events of these events in one transaction; then look at the fence.

        Raises:   whatever a handler raises; nothing is committed then.
        """
        done: list[Received] = []
        erased: list[Received] = []

        async def within() -> None:
            done[:], erased[:] = await self._sorted(received)
            await self._parts.inbox.add(one.id for one in done)
            for one in done:
                with continued(one.traceparent):
                    await self._parts.group.handlers[type(one.event)](one.event)

        await self._parts.mongo.transaction(within)
        await self._parts.sweep_late(received)
        self._count(received, done, erased)

    async def _sorted(self, received: list[Received]) -> tuple[list[Received], list[Received]]:
        """Return what is to be done and what is void; what was done before is in neither."""
        unique = {one.id: one for one in received}
        known = await self._parts.inbox.known(unique)
        fresh = [one for one in unique.values() if one.id not in known]
        void = await self._parts.erased(fresh)
        todo = [one for one in fresh if one.fenced_subject not in void]
        return todo, [one for one in fresh if one.fenced_subject in void]

    def _count(self, received: list[Received], done: list[Received], erased: list[Received]) -> None:
        settled = {one.id for one in (*done, *erased)}
        counted = (
            (Outcome.DONE, done),
            (Outcome.ERASED, erased),
            (Outcome.DUPLICATE, [one for one in received if one.id not in settled]),
        )
        for outcome, ones in counted:
            if ones:
                self._parts.count([one.record for one in ones], outcome)
        self._parts.observe_ages(done)
