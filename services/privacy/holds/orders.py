"""What operators order about holds: each is audited, in the transaction that does it.

A hold on an account takes effect when a second operator confirms it, and is lifted early by two as well. What holds
do, and how they end, is in `effects.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.clock import new_id, now
from libs.common.events.privacy import HoldPlacedV1
from libs.common.work import UnitOfWork
from services.privacy.casework import Casework
from services.privacy.errors import HoldUnfit, NotHeld, NothingToConfirm, SecondOperatorNeeded, UnknownItem
from services.privacy.holds.effects import HoldEffects, require_holdable
from services.privacy.holds.grounds import Ground
from services.privacy.holds.models import Hold, HoldKind, HoldState
from services.privacy.holds.rows import HoldRows
from services.privacy.protocol import Policy
from services.privacy.repository import CaseRepository
from services.privacy.subjects import Subjects


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
        rows: HoldRows,
        effects: HoldEffects,
        cases: CaseRepository,
        casework: Casework,
        subjects: Subjects,
        items: Callable[[], dict[str, str]],
        policy: Policy,
    ) -> None:
        self._work, self.rows, self.effects = work, rows, effects
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
            await self.effects.record("hold.placed", hold, wanted.actor)
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
            await self.effects.record("hold.asked", hold, wanted.actor)
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
                _require_another(hold.placed_by, actor)
                return await self.effects.take_effect(hold, actor)
            if hold.state is HoldState.IN_FORCE and hold.lift_asked_by:
                _require_another(hold.lift_asked_by, actor)
                return await self.effects.end(hold, "lifted", actor)
            raise NothingToConfirm

        hold = await self._work.run(write)
        return await self.effects.settle(hold) if hold.open else hold

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
                return await self.effects.end(
                    hold, "released" if hold.kind is HoldKind.ITEM else "withdrawn", actor
                )
            if hold.lift_asked_by is None:
                hold.lift_asked_at, hold.lift_asked_by = now(), actor
                await self.rows.save(hold)
                await self.effects.record("hold.lift-asked", hold, actor)
            return hold

        return await self._work.run(write)

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


def _require_another(first: str, actor: str) -> None:
    if first == actor:
        raise SecondOperatorNeeded
