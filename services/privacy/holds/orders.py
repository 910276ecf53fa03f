"""What operators order about holds, and what becomes of each: all of it is audited, in the transaction that does it.

A hold on an account takes effect when a second operator confirms it, and is lifted early by two as well. It is
written first and then looked for a case, while a case looks for holds before each step that it takes: so a hold that
was confirmed while a case opened is seen by at least one of them, and its operator is told where it came too late.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.audit import SYSTEM, Audit
from libs.common.clock import new_id, now
from libs.common.events.privacy import HoldAnsweredV1, HoldPlacedV1, HoldReleasedV1
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.privacy.casework import Casework
from services.privacy.errors import (
    HoldTooLate,
    HoldUnfit,
    NotHeld,
    NothingToConfirm,
    SecondOperatorNeeded,
    UnknownItem,
)
from services.privacy.holds.grounds import Ground
from services.privacy.holds.rows import HoldRows
from services.privacy.models import Case, Hold, HoldKind, HoldState
from services.privacy.protocol import ItemReleased, PlaceHold, Policy, ReleaseHold
from services.privacy.repository import CaseRepository
from services.privacy.saga import may_hold
from services.privacy.subjects import Subjects

ENDED_AT_ONCE = 100
ANSWERS = {
    "in-force": HoldState.IN_FORCE,
    "too-late": HoldState.TOO_LATE,
    "absent": HoldState.ABSENT,
}

log = logger("privacy.holds")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator wants of a hold."""

    until: datetime
    ground: Ground
    actor: str


class HoldOrders:
    """Holds on items and accounts. Args: items: what can be held, and how it is called."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        audit: Audit,
        rows: HoldRows,
        cases: CaseRepository,
        casework: Casework,
        subjects: Subjects,
        items: Callable[[], dict[str, str]],
        policy: Policy,
    ) -> None:
        self._work, self._audit, self.rows = work, audit, rows
        self._cases, self._casework, self._subjects = cases, casework, subjects
        self._items, self._policy = items, policy

    async def place_on_item(self, holding: str, item_id: UUID, wanted: Wanted) -> Hold:
        """Have an item kept until a date. Whether that is so, its service answers shortly.

        Raises:   UnknownItem (422); HoldUnfit (422).
        Effects:  publishes hold.placed.
        """
        self._require_end(wanted.until)
        called = self._items().get(holding)
        if called is None:
            raise UnknownItem(f"what can be held is {', '.join(sorted(self._items()))}")
        hold = self._new(HoldKind.ITEM, HoldState.ASKED, wanted)
        hold = hold.model_copy(update={"holding": holding, "item_id": item_id, "called": called})

        async def write() -> Hold:
            await self.rows.add(hold)
            await self._work.outbox.add(HoldPlacedV1(hold_id=hold.id, holding=holding, item_id=item_id))
            await self._record("hold.placed", hold, wanted.ground, wanted.actor)
            return hold

        return await self._work.run(write)

    async def place_on_account(self, user_id: UUID, wanted: Wanted) -> Hold:
        """Ask for a hold on an account, whose erasure it stops; it takes effect when another operator confirms it.

        Raises:   HoldUnfit (422); HoldTooLate (409): its erasure was requested of the services.
        """
        self._require_end(wanted.until)
        subject = self._subjects.pseudonym(user_id)
        if case := await self._cases.open_of(subject):
            require_holdable(case)
        hold = self._new(HoldKind.ACCOUNT, HoldState.UNCONFIRMED, wanted)
        sealed = self._subjects.seal(user_id, hold.id)
        hold = hold.model_copy(update={"subject": subject, "sealed_subject": sealed})

        async def write() -> Hold:
            await self.rows.add(hold)
            await self._record("hold.asked", hold, wanted.ground, wanted.actor)
            return hold

        return await self._work.run(write)

    async def place_on_case(self, case_id: UUID, wanted: Wanted) -> Hold:
        """Ask for a hold on the account that a case is about. Raises CaseNotFound (404), and as above."""
        self._require_end(wanted.until)
        case = await self._casework.case(case_id)
        require_holdable(case)
        user_id, _ = self._casework.subject_of(case)
        return await self.place_on_account(user_id, wanted)

    async def confirm(self, hold_id: UUID, actor: str) -> Hold:
        """Confirm what another operator asked for: a hold on an account, or its end before its date.

        Raises:   NothingToConfirm (409); SecondOperatorNeeded (409); HoldTooLate (409): it could not take effect.
        """

        async def write() -> Hold:
            hold = await self.rows.get(hold_id)
            if hold.state is HoldState.UNCONFIRMED:
                return await self._take_effect(hold, actor)
            if hold.state is HoldState.IN_FORCE and hold.lift_asked_by:
                _require_another(hold.lift_asked_by, actor)
                return await self._end(hold, "lifted", actor)
            raise NothingToConfirm

        hold = await self._work.run(write)
        return await self._settle(hold) if hold.open else hold

    async def release(self, hold_id: UUID, actor: str) -> Hold:
        """End a hold before its date; of one in force on an account, ask that it ends: another operator confirms it.

        Raises:   HoldNotFound (404); NotHeld (409).
        Effects:  publishes hold.released for one on an item.
        """

        async def write() -> Hold:
            hold = await self.rows.get(hold_id)
            if not hold.open:
                raise NotHeld
            if hold.kind is HoldKind.ITEM or hold.state is HoldState.UNCONFIRMED:
                return await self._end(hold, "released" if hold.kind is HoldKind.ITEM else "withdrawn", actor)
            if hold.lift_asked_by is None:
                hold.lift_asked_at, hold.lift_asked_by = now(), actor
                await self.rows.save(hold)
                await self._record("hold.lift-asked", hold, hold.ground, actor)
            return hold

        return await self._work.run(write)

    async def note_answer(self, event: HoldAnsweredV1) -> None:
        """Take in what became of a hold on an item; what has ended meanwhile stays ended. Runs in a transaction."""
        hold = await self.rows.get(event.hold_id)
        if hold.state is not HoldState.ASKED or event.outcome not in ANSWERS:
            return
        hold.state = ANSWERS[event.outcome]
        hold.confirmed_at = now()
        if not hold.open:
            hold.ended_at, hold.ended_by, hold.ended_as = now(), SYSTEM, event.outcome
        await self.rows.save(hold)
        await self._record(f"hold.{event.outcome}", hold, hold.ground, SYSTEM)

    async def end_due(self, moment: datetime) -> int:
        """End the holds whose date has come; return how many there were."""
        due = await self.rows.over(moment, ENDED_AT_ONCE)
        for hold_id in due:
            try:
                await self._work.run(lambda: self._expire(hold_id, moment))  # noqa: B023 - awaited here
            except Exception as error:
                log.warning("hold.not_ended", hold_id=str(hold_id), exc_info=error)
        return len(due)

    async def settle_all(self) -> None:
        """Apply to cases what was confirmed by a process that died before it could."""
        for hold in await self.rows.in_force_on_accounts(ENDED_AT_ONCE):
            try:
                await self._settle(hold)
            except HoldTooLate:
                log.warning("hold.too_late", hold_id=str(hold.id))

    def _new(self, kind: HoldKind, state: HoldState, wanted: Wanted) -> Hold:
        return Hold(
            id=new_id(),
            kind=kind,
            state=state,
            ground=wanted.ground.value,
            until=wanted.until,
            placed_at=now(),
            placed_by=wanted.actor,
        )

    def _require_end(self, until: datetime) -> None:
        """Raises: HoldUnfit (422): a hold ends in the future, and before long, so that people look at it again."""
        at = now()
        if not at < until <= at + self._policy.longest_hold:
            raise HoldUnfit(f"a hold ends in the future, within {self._policy.longest_hold.days} days")

    async def _take_effect(self, hold: Hold, actor: str) -> Hold:
        """Put a hold on an account in force, in place of one that there is."""
        _require_another(hold.placed_by, actor)
        if hold.subject and (before := await self.rows.on_account(hold.subject, now())):
            await self._close(before, "replaced", actor)
        hold.state, hold.confirmed_at, hold.confirmed_by = HoldState.IN_FORCE, now(), actor
        await self.rows.save(hold)
        await self._record("hold.confirmed", hold, hold.ground, actor)
        return hold

    async def _settle(self, hold: Hold) -> Hold:
        """Hold the case of an account, where one is open. Raises HoldTooLate (409), and ends the hold as that."""
        case = await self._cases.open_of(hold.subject or "")
        if case is None or (case.saga.hold and case.saga.hold.hold_id == str(hold.id)):
            return hold
        order = PlaceHold(now(), hold.until, hold.ground, hold.confirmed_by or SYSTEM, str(hold.id))
        try:
            await self._casework.feed(case.id, lambda: order, admit=require_holdable)
        except HoldTooLate:
            await self._work.run(lambda: self._close(hold, "too-late", SYSTEM, HoldState.TOO_LATE))
            raise
        return hold

    async def _expire(self, hold_id: UUID, moment: datetime) -> None:
        hold = await self.rows.get(hold_id)
        if hold.open and hold.until <= moment:
            await self._end(hold, "expired", SYSTEM)

    async def _end(self, hold: Hold, how: str, actor: str) -> Hold:
        """End a hold in the open transaction, and let go on what waited for it."""
        await self._close(hold, how, actor)
        if hold.kind is HoldKind.ITEM and hold.holding and hold.item_id:
            released = HoldReleasedV1(hold_id=hold.id, holding=hold.holding, item_id=hold.item_id)
            await self._work.outbox.add(released)
            for case_id in await self._cases.waiting_for(str(hold.id)):
                await self._casework.feed(case_id, lambda: ItemReleased(now()))
        elif hold.subject and (case := await self._cases.open_of(hold.subject)):
            mine = case.saga.hold is not None and case.saga.hold.hold_id == str(hold.id)
            if mine and how != "expired":  # the case knows the date itself
                await self._casework.feed(case.id, lambda: ReleaseHold(now(), actor))
        return hold

    async def _close(self, hold: Hold, how: str, actor: str, state: HoldState = HoldState.ENDED) -> None:
        hold.state, hold.ended_at, hold.ended_by, hold.ended_as = state, now(), actor, how
        await self._record(f"hold.{how}", hold, hold.ground, actor)
        hold.sealed_subject = None
        await self.rows.save(hold)

    async def _record(self, action: str, hold: Hold, ground: str, actor: str) -> None:
        sealed = hold.sealed_subject
        subject = self._subjects.open(sealed, hold.id) if sealed else None
        await self._audit.record(action, ground=ground, actor=actor, subject=subject, target=str(hold.id))


def require_holdable(case: Case) -> None:
    """Raises: HoldTooLate (409), with the holders that are known to have erased already."""
    if may_hold(case.saga):
        return
    answered = sorted(name for name, part in case.saga.holders.items() if part.answered)
    known = f"they have answered: {', '.join(answered)}" if answered else "none has answered yet"
    raise HoldTooLate(
        f"the services were asked to erase, and that cannot be called back; {known}", answered=[*answered]
    )


def _require_another(first: str, actor: str) -> None:
    if first == actor:
        raise SecondOperatorNeeded
