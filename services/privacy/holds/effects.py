"""What holds do to cases, and how they end: all of it is audited, in the transaction that does it.

A hold is written first and then looked for a case, while a case looks for holds before each step that it takes: so
one that was confirmed while a case opened is seen by at least one of them, and its operator is told where it came
too late.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from libs.common.audit import SYSTEM, Audit
from libs.common.clock import now
from libs.common.events.privacy import HoldAnsweredV1, HoldReleasedV1
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.privacy.casework import Casework
from services.privacy.errors import HoldTooLate
from services.privacy.holds.models import Hold, HoldKind, HoldState
from services.privacy.holds.rows import HoldRows
from services.privacy.models import Case
from services.privacy.protocol import ItemReleased, PlaceHold, ReleaseHold
from services.privacy.repository import CaseRepository
from services.privacy.saga import may_hold
from services.privacy.subjects import Subjects

ANSWERS = {
    "in-force": HoldState.IN_FORCE,
    "too-late": HoldState.TOO_LATE,
    "absent": HoldState.ABSENT,
}

log = logger("privacy.holds")


class HoldEffects:
    """Puts holds in force, and ends them: as operators order, services answer, or the date comes."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        audit: Audit,
        rows: HoldRows,
        cases: CaseRepository,
        casework: Casework,
        subjects: Subjects,
    ) -> None:
        self._work, self._audit, self._rows = work, audit, rows
        self._cases, self._casework, self._subjects = cases, casework, subjects

    async def take_effect(self, hold: Hold, actor: str) -> Hold:
        """Put a hold on an account in force, in the open transaction, in place of one that there is."""
        if hold.subject and (before := await self._rows.on_account(hold.subject, now())):
            await self._close(before, "replaced", actor)
        hold.state, hold.confirmed_at, hold.confirmed_by = HoldState.IN_FORCE, now(), actor
        await self._rows.save(hold)
        await self.record("hold.confirmed", hold, actor)
        return hold

    async def settle(self, hold: Hold) -> Hold:
        """Hold the case of an account, where one is open; return the hold as it is then.

        Raises:   HoldTooLate (409), and ends the hold as that.
        """
        try:
            return await self._work.run(lambda: self._settle(hold.id))
        except HoldTooLate:
            await self._work.run(lambda: self._give_up(hold.id))
            raise

    async def end(self, hold: Hold, how: str, actor: str) -> Hold:
        """End a hold in the open transaction, and let go on what waited for it.

        Effects:  publishes hold.released for one on an item.
        """
        await self._close(hold, how, actor)
        if hold.kind is HoldKind.ITEM and hold.holding and hold.item_id:
            released = HoldReleasedV1(hold_id=hold.id, holding=hold.holding, item_id=hold.item_id)
            await self._work.outbox.add(released)
            await self._let_go(hold)
        elif hold.subject and (case := await self._cases.open_of(hold.subject)):
            mine = case.saga.hold is not None and case.saga.hold.hold_id == str(hold.id)
            if mine and how != "expired":  # the case knows the date itself
                await self._casework.feed(case.id, lambda: ReleaseHold(now(), actor))
        return hold

    async def note_answer(self, event: HoldAnsweredV1) -> None:
        """Take in what became of a hold on an item; what has ended meanwhile stays ended. Runs in a transaction."""
        hold = await self._rows.get(event.hold_id)
        if hold.state is not HoldState.ASKED or event.outcome not in ANSWERS:
            return
        hold.state = ANSWERS[event.outcome]
        hold.confirmed_at = now()
        if not hold.open:
            hold.ended_at, hold.ended_by, hold.ended_as = now(), SYSTEM, event.outcome
            await self._let_go(hold)  # an erasure may have come upon it before it was known to come too late
        await self._rows.save(hold)
        await self.record(f"hold.{event.outcome}", hold, SYSTEM)

    async def end_due(self, moment: datetime) -> int:
        """End the holds whose date has come; return how many ended. One that cannot holds up no other."""
        ended = 0
        async for hold_id in self._rows.over(moment):
            try:
                ended += await self._work.run(partial(self._expire, hold_id, moment))
            except Exception as error:
                log.warning("hold.not_ended", hold_id=str(hold_id), exc_info=error)
        return ended

    async def settle_all(self) -> None:
        """Apply to cases what was confirmed by a process that died before it could; what fails holds up no other."""
        async for hold_id in self._rows.in_force_on_accounts():
            try:
                hold = await self._rows.get(hold_id)
                if await self._case_to_hold(hold):  # as a rule there is none: no transaction for that
                    await self.settle(hold)
            except HoldTooLate:
                log.warning("hold.too_late", hold_id=str(hold_id))
            except Exception as error:
                log.warning("hold.not_settled", hold_id=str(hold_id), exc_info=error)

    async def record(self, action: str, hold: Hold, actor: str) -> None:
        """Record in the audit ledger what was done about a hold, in the transaction that does it."""
        sealed = hold.sealed_subject
        subject = self._subjects.open(sealed, hold.id) if sealed else None
        await self._audit.record(
            action, ground=hold.ground, actor=actor, subject=subject, target=str(hold.id)
        )

    async def _let_go(self, hold: Hold) -> None:
        """Tell the cases that wait for a hold on an item that it has ended, in the open transaction."""
        for case_id in await self._cases.waiting_for(str(hold.id)):
            await self._casework.feed(case_id, lambda: ItemReleased(now()))

    async def _settle(self, hold_id: UUID) -> Hold:
        """Hold the case, in the open transaction. The hold is written as well, so that its end meets this."""
        hold = await self._rows.get(hold_id)
        case = await self._case_to_hold(hold)
        if case is None:
            return hold
        order = PlaceHold(now(), hold.until, hold.ground, hold.confirmed_by or SYSTEM, str(hold.id))
        await self._casework.feed(case.id, lambda: order, admit=require_holdable)
        hold.settled_at = order.at
        await self._rows.save(hold)
        return hold

    async def _case_to_hold(self, hold: Hold) -> Case | None:
        """Return the open case of an account, where a hold on it is in force and the case does not know it yet."""
        case = await self._cases.open_of(hold.subject or "") if hold.state is HoldState.IN_FORCE else None
        known = case is not None and case.saga.hold is not None and case.saga.hold.hold_id == str(hold.id)
        return None if known else case

    async def _give_up(self, hold_id: UUID) -> None:
        hold = await self._rows.get(hold_id)
        if hold.open:
            await self._close(hold, "too-late", SYSTEM, HoldState.TOO_LATE)

    async def _expire(self, hold_id: UUID, moment: datetime) -> bool:
        """End a hold whose date has come, in the open transaction; tell whether nobody had before."""
        hold = await self._rows.get(hold_id)
        if not hold.open or hold.until > moment:
            return False
        await self.end(hold, "expired", SYSTEM)
        return True

    async def _close(self, hold: Hold, how: str, actor: str, state: HoldState = HoldState.ENDED) -> None:
        hold.state, hold.ended_at, hold.ended_by, hold.ended_as = state, now(), actor, how
        await self.record(f"hold.{how}", hold, actor)
        hold.sealed_subject = None
        await self._rows.save(hold)


def require_holdable(case: Case) -> None:
    """Raises: HoldTooLate (409), with the holders that are known to have erased already."""
    if may_hold(case.saga):
        return
    answered = sorted(name for name, part in case.saga.holders.items() if part.answered)
    known = f"they have answered: {', '.join(answered)}" if answered else "none has answered yet"
    raise HoldTooLate(
        f"the services were asked to erase, and that cannot be called back; {known}", answered=[*answered]
    )
