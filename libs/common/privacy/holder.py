"""The holder: what a service does about the people in it, by its declared holdings and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from libs.common.bus.outbox import Outbox
from libs.common.clock_guard import agreed_now
from libs.common.errors import Unavailable
from libs.common.events.privacy import HoldingErasure, HoldingInventory, OutsideProof
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import (
    CollectionHolding,
    Holding,
    Holdings,
    ObjectsHolding,
    ProcessorHolding,
    Pseudonymise,
)
from libs.common.privacy.item_holds import ItemHold, ItemHolds
from libs.common.privacy.keys import Keys
from libs.common.privacy.metrics import ERASED, SWEPT
from libs.common.privacy.objects import Objects
from libs.common.privacy.outside import Outside
from libs.common.privacy.progress import ErasureUnderWay, Progress, Tally, field_of
from libs.common.privacy.retention.report import Standing
from libs.common.privacy.retention.sweep import RetentionSweep
from libs.common.privacy.rows import Left, Rows
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.privacy.writes import Writes
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.tasks import Loop
from libs.common.vault.keys import DataKeys

PASSES = 3
RETENTION_EVERY = timedelta(hours=1)
LOOK_EVERY_S = 60.0
LATE_EVERY_S = 30.0
LATE_FOR = timedelta(hours=1)
"""A presigned POST made just before the freeze still works for five minutes; a stuck worker may take longer."""
OLDER_EVERY_S = 86_400.0
OLDER_FOR = timedelta(days=7)
"""All workers of a service may have been away for some days."""

log = logger("holder")


class StillHeld(Unavailable):
    """Something of an erased person is still there, or came back: the erasure is not complete, and goes on."""

    code, title = "still-held", "The erasure is not complete yet"


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """One row of a person, with its personal fields."""

    holding: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExportedObject:
    """One object of a person, to be fetched from its bucket."""

    holding: str
    bucket: str
    name: str


class Holder:
    """Inventories, erases, proves, exports and expires what one service holds of people.

    Raises:   UndeclaredHolding, when made: the service stores something that its `privacy.py` leaves out.
    """

    def __init__(  # noqa: PLR0917 - the process builder is its one caller
        self,
        holdings: Holdings,
        mongo: Mongo,
        storage: Storage | None,
        tombstones: Tombstones,
        outbox: Outbox,
        settings: CommonSettings,
    ) -> None:
        holdings.check()
        self.holdings, self.outbox, self.mongo = holdings, outbox, mongo
        self._tombstones, self._progress = tombstones, Progress(mongo)
        self._writes = Writes(mongo, tombstones)
        self._rows = Rows(holdings, mongo, self._progress)
        self._objects = Objects(holdings, storage, self._progress, settings.pseudonym_key)
        self._keys = Keys(holdings, DataKeys(mongo, settings), mongo, self._progress, outbox)
        self.outside = Outside(holdings, mongo, self._progress)
        self.item_holds = ItemHolds(holdings, mongo)
        self._retention = RetentionSweep(
            holdings, mongo, self._objects, self._progress, self.item_holds, self.outside
        )
        self.standing = Standing(holdings, mongo, self._retention, self._progress)
        tombstones.on_sweep(self.sweep)

    async def inventory(self, user_id: UUID, case_id: UUID) -> list[HoldingInventory]:
        """Freeze a person, and count what is held; asked again, the first counts are answered again.

        Effects:  writes the tombstone: from now on the fence refuses the person's reads and writes.
        """
        tombstone = await self._tombstones.set(user_id, case_id)
        counts = await self._frozen_counts(tombstone)
        found = [self._inventoried(each, counts, user_id) for each in self.holdings.all]
        return [*found, *(_inventoried_proof(each) for each in self._proofs_kept(tombstone))]

    async def erase(self, user_id: UUID, case_id: UUID) -> list[HoldingErasure]:
        """Erase a person: objects, every version, then rows, then the key. After a crash it goes on where it was.

        What is held is left, and the key with it: when the hold ends, `hold_handlers` has the rest erased.
        Outside parties are asked when all of it is gone here. One that does not answer keeps the erasure open, and is
        asked again by `handlers.Answers.ask_again`, and by the next request.

        Returns:  what was erased and what is retained by holding, in all since the tombstone was written.
        Raises:   StillHeld: a fresh look finds more after three passes; ErasureUnderWay. Both are retried.
        Effects:  a tombstone first, where a restored backup or a lost inventory left none.
        """
        tombstone = await self._tombstones.set(user_id, case_id)
        await self._frozen_counts(tombstone)
        tombstone = await self._progress.begin(user_id)
        await self._writes.drained(user_id)
        await self.item_holds.mark_again(user_id)
        await self.outside.write_down(user_id)
        left: dict[str, Left] = {}
        for _ in range(PASSES):
            holds = await self.item_holds.standing(user_id)
            await self._erase_once(user_id, tombstone.pseudonym or uuid4(), holds)
            left = await self._look(user_id, holds)
            if not any(each.loose for each in left.values()):
                _record(await self.outside.erase(user_id))
                return await self._outcome(
                    user_id, holds if any(each.held for each in left.values()) else None
                )
        raise StillHeld(left={name: each.loose for name, each in left.items() if each.loose})

    async def complete(
        self, user_id: UUID, attempt: int = 1, answered: Sequence[HoldingErasure] = ()
    ) -> None:
        """Close the erasure, in the transaction that announces it.

        It stays open while an outside party has to erase, or, as was just `answered`, something is held.
        """
        outside = await self.outside.remaining(user_id)
        if any(outside.values()) or any(each.held for each in answered):
            await self._progress.waits(user_id, attempt)
        else:
            await self._progress.complete(user_id)

    async def erasing(self, user_id: UUID) -> Tombstone | None:
        """Return the tombstone of a person whose erasure has begun here and is not complete."""
        tombstone = await self._tombstones.find(user_id)
        open_ = tombstone is not None and tombstone.erasing_since and not tombstone.completed_at
        return tombstone if open_ else None

    async def waiting_outside(self, party: ProcessorHolding) -> list[UUID]:
        """Return those whose erasure waits for an outside party, the longest waiting first."""
        return [user_id async for user_id in self._progress.waiting(self.holdings.name_of(party))]

    async def verify(self, user_id: UUID) -> dict[str, int]:
        """Return how much is still there of a person by holding, by other queries than the erasure's.

        What is held is not counted: it is there on purpose.
        """
        left = await self._look(user_id, await self.item_holds.standing(user_id))
        counts = {name: each.loose for name, each in left.items()}
        return counts | await self.outside.remaining(user_id)

    async def export(self, user_id: UUID) -> AsyncIterator[ExportedRow | ExportedObject]:
        """Yield all that is held of a person: rows by holding, then objects.

        Personal: everything, to the person only. A secret is told by its presence, not by its value.
        Source:   GDPR Art. 15, Art. 20.
        """
        async for holding, row in self._rows.export(user_id):
            yield ExportedRow(holding, row)
        async for holding, bucket, name in self._objects.names(user_id):
            yield ExportedObject(holding, bucket, name)

    async def retain(self, moment: datetime) -> dict[str, int]:
        """End every retention that is over at a moment; return what went by holding."""
        return await self._retention.run(moment)

    async def sweep(self, subjects: list[UUID]) -> None:
        """Erase again what came back after the erasure of these people, and count it as swept.

        A person who is frozen and not being erased is left alone: what came late is erased with the rest.
        """
        for user_id in subjects:
            tombstone = await self._tombstones.find(user_id)
            if tombstone is None or tombstone.erasing_since is None:
                continue
            swept = await self._rows.erase(user_id, tombstone.pseudonym or uuid4())
            if tombstone.completed_at is not None:
                swept.add(await self._sweep_objects(user_id))
                swept.add(await self._keys.erase(user_id))
            _record(swept)
            SWEPT.inc(swept.total)

    def loops(self) -> list[Loop]:
        """Return what runs in the background of every worker."""
        return [self.retention_loop, self.standing.measure_for_ever, self.late_loop, self.older_loop]

    async def retention_loop(self) -> None:
        """End retentions for as long as the process lives.

        Raises:   ClocksApart: a sweep keeps the moment that it goes by, also for who goes on with it.
        """
        await self._retention.prepare()
        while True:
            swept = await self._retention.run_due(await agreed_now(self.mongo), RETENTION_EVERY)
            if any(swept.values()):
                log.info("retention.swept", swept={name: count for name, count in swept.items() if count})
            await asyncio.sleep(LOOK_EVERY_S)

    async def late_loop(self) -> None:
        """Sweep after recent erasures for as long as the process lives."""
        while True:
            await self.sweep_late()
            await asyncio.sleep(LATE_EVERY_S)

    async def older_loop(self) -> None:
        """Sweep after older erasures too, when the process starts and then daily; no new one waits for these many."""
        while True:
            await self.sweep_late(OLDER_FOR)
            await asyncio.sleep(OLDER_EVERY_S)

    async def sweep_late(self, within: timedelta = LATE_FOR) -> None:
        """Erase again what arrived for people whose erasure was completed not long ago.

        Whatever a sweep that died began, however long ago, is finished first. Both times are the database's.
        """
        for user_id in [each async for each in self._progress.half_swept()]:
            await self._sweep_after(user_id, begun=True)
        since = await self.mongo.time() - within
        for user_id in [each async for each in self._progress.completed_since(since)]:
            await self._sweep_after(user_id, begun=False)

    async def _sweep_after(self, user_id: UUID, *, begun: bool) -> None:
        """Sweep after one person, where a sweep was begun or there is something; what fails, the next time."""
        try:
            if begun or any((await self.verify(user_id)).values()):
                await self.sweep([user_id])
        except Exception as error:
            case = await self._tombstones.find(user_id)
            log.warning("late.not_swept", case_id=str(case.case_id) if case else None, exc_info=error)

    async def _erase_once(self, user_id: UUID, pseudonym: UUID, holds: Sequence[ItemHold]) -> None:
        """Erase what nothing holds, the key where nothing is held that it is needed for."""
        _record(await self._objects.erase(user_id, self.item_holds.prefixes(holds)))
        _record(await self._rows.erase(user_id, pseudonym))
        if not holds:
            _record(await self._keys.erase(user_id))

    async def _look(self, user_id: UUID, holds: Sequence[ItemHold]) -> dict[str, Left]:
        """Return what is still there in this service, loose or held."""
        rows, objects, keys = await asyncio.gather(
            self._rows.remaining(user_id),
            self._objects.remaining(user_id, self.item_holds.prefixes(holds)),
            self._keys.remaining(user_id, held=bool(holds)),
        )
        return {**rows, **objects, **keys}

    async def _present(self, user_id: UUID) -> dict[str, int]:
        """Count all that is there of a person now, by holding."""
        rows, objects, keys, outside = await asyncio.gather(
            self._rows.inventory(user_id),
            self._objects.inventory(user_id),
            self._keys.inventory(user_id),
            self.outside.inventory(user_id),
        )
        return {**rows, **objects, **keys, **outside}

    async def _frozen_counts(self, tombstone: Tombstone) -> dict[str, int]:
        names = [self.holdings.name_of(each) for each in self.holdings.all]
        if tombstone.inventory is not None:
            return {name: tombstone.inventory.get(field_of(name), 0) for name in names}
        return await self._progress.freeze_counts(tombstone.id, await self._present(tombstone.id))

    async def _outcome(self, user_id: UUID, holds: Sequence[ItemHold] | None) -> list[HoldingErasure]:
        """Return what became of each holding. Args: holds: what is still there is theirs; None: nothing is."""
        present = {} if holds is None else await self._present(user_id)
        tombstone = await self._progress.read(user_id)
        by = [hold.id for hold in holds or ()]
        outcomes = [self._erased(each, tombstone, present) for each in self.holdings.all]
        outcomes = [each.model_copy(update={"holds": by}) if each.held else each for each in outcomes]
        return [*outcomes, *self._proofs_kept(tombstone)]

    async def _sweep_objects(self, user_id: UUID) -> Tally:
        try:
            return await self._objects.erase(user_id, {})
        except ErasureUnderWay:  # whoever has the claim lists them again, and the late loop after that
            return Tally()

    def _inventoried(self, holding: Holding, counts: dict[str, int], user_id: UUID) -> HoldingInventory:
        name = self.holdings.name_of(holding)
        if not isinstance(holding, ObjectsHolding):
            return HoldingInventory(holding=name, kind="collection", found=counts[name])
        where = self._objects.locator(user_id)
        return HoldingInventory(
            holding=name, kind="objects", found=counts[name], locator=where, bucket=holding.bucket
        )

    def _erased(self, holding: Holding, tombstone: Tombstone, present: dict[str, int]) -> HoldingErasure:
        name = self.holdings.name_of(holding)
        field, held = field_of(name), present.get(name, 0)
        count, retained = tombstone.erased.get(field, 0), tombstone.retained.get(field, 0)
        if isinstance(holding, ProcessorHolding):
            return _erased_outside(name, count, tombstone).model_copy(update={"held": held})
        # A look just now found nothing else left, so what the counts lack went another way after the inventory.
        gone = max(0, (tombstone.inventory or {}).get(field, 0) - count - retained - held)
        erased = HoldingErasure(holding=name, erased=count, already_gone=gone, held=held)
        if not (
            retained and isinstance(holding, CollectionHolding) and isinstance(holding.erase, Pseudonymise)
        ):
            return erased
        until = tombstone.retained_until[field].date()
        kept = {"retained": retained, "ground": holding.erase.ground, "retained_until": until}
        return erased.model_copy(update=kept)

    def _proofs_kept(self, tombstone: Tombstone) -> list[HoldingErasure]:
        """Return what is kept of a person in proof holdings, as far as `Proofs.keep` noted it."""
        named = ((self.holdings.name_of(each), each.ground) for each in self.holdings.proofs)
        return [
            HoldingErasure(
                holding=name,
                erased=0,
                retained=tombstone.retained[field_of(name)],
                ground=ground,
                retained_until=tombstone.retained_until[field_of(name)].date(),
            )
            for name, ground in named
            if field_of(name) in tombstone.retained
        ]


def _inventoried_proof(kept: HoldingErasure) -> HoldingInventory:
    return HoldingInventory(holding=kept.holding, kind="collection", found=kept.retained)


def _erased_outside(name: str, count: int, tombstone: Tombstone) -> HoldingErasure:
    """Return what a party says it erased, with its proofs: what it has not said is not explained."""
    asked = tombstone.asked.get(field_of(name))
    proofs = [
        OutsideProof(reference=each.reference, at=each.at) for each in (asked.receipts if asked else ())
    ]
    return HoldingErasure(holding=name, erased=count, proofs=proofs)


def _record(done: Tally) -> None:
    for name, count in done.erased.items():
        ERASED.labels(name).inc(count)
