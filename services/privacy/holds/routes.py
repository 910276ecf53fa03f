"""The staff routes about holds: placing, confirming, releasing, looking."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.clock import to_milliseconds
from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.identity import Staff
from libs.common.pagination import CursorParam, InvalidCursor, Limit, Page, encode_cursor
from services.privacy.errors import (
    CaseNotFound,
    HoldNotFound,
    HoldTooLate,
    HoldUnfit,
    NotHeld,
    NothingToConfirm,
    SecondOperatorNeeded,
    UnknownItem,
)
from services.privacy.holds.orders import Wanted
from services.privacy.holds.schemas import HoldIn, ItemTarget, StaffHoldOut
from services.privacy.service import PrivacyService

PAGE = 20

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]
OnlyOpen = Annotated[bool, Query(alias="open", description="only those that are, or may yet be, in force")]

router = APIRouter(
    prefix="/api/privacy/v1/staff/holds", tags=["holds"], responses=problems(Unauthenticated, Forbidden)
)


@router.post("", status_code=201, responses=problems(UnknownItem, HoldUnfit, CaseNotFound, HoldTooLate))
async def place_hold(asked: HoldIn, staff: Staff, service: Service) -> StaffHoldOut:
    """Hold an item, whose service answers shortly; or ask for a hold on an account, which another operator confirms.

    Raises:   HoldUnfit: it ends in the past, or too far away; HoldTooLate: the services were asked to erase.
    Effects:  publishes hold.placed for an item; publishes action.recorded.
    """
    wanted = Wanted(to_milliseconds(asked.until), asked.ground, staff_actor(staff.id))
    if isinstance(asked.target, ItemTarget):
        hold = await service.holds.place_on_item(asked.target.holding, asked.target.id, wanted)
    elif asked.target.kind == "case":
        hold = await service.holds.place_on_case(asked.target.id, wanted)
    else:
        hold = await service.holds.place_on_account(asked.target.id, wanted)
    return StaffHoldOut.of(hold)


@router.get("", responses=problems(InvalidCursor))
async def list_holds(
    _: Staff, service: Service, cursor: CursorParam = None, limit: Limit = PAGE, only_open: OnlyOpen = False
) -> Page[StaffHoldOut]:
    """Return holds, the newest first."""
    rows = await service.holds.rows.page(cursor, limit + 1, only_open=only_open)
    page = rows[:limit]
    more = encode_cursor(page[-1].placed_at, page[-1].id) if len(rows) > limit else None
    return Page(items=[StaffHoldOut.of(row) for row in page], next_cursor=more)


@router.get("/{hold_id}", responses=problems(HoldNotFound))
async def show_hold(hold_id: UUID, _: Staff, service: Service) -> StaffHoldOut:
    """Return one hold."""
    return StaffHoldOut.of(await service.holds.rows.get(hold_id))


@router.post(
    "/{hold_id}/confirm",
    responses=problems(HoldNotFound, NothingToConfirm, SecondOperatorNeeded, HoldTooLate),
)
async def confirm_hold(hold_id: UUID, staff: Staff, service: Service) -> StaffHoldOut:
    """Confirm what another operator asked for: that an account is held, or that its hold ends before its date.

    Raises:   SecondOperatorNeeded: whoever asked cannot confirm; HoldTooLate: it did not take effect.
    Effects:  the account's case is held, or goes on; publishes action.recorded.
    """
    return StaffHoldOut.of(await service.holds.confirm(hold_id, staff_actor(staff.id)))


@router.post("/{hold_id}/release", responses=problems(HoldNotFound, NotHeld))
async def release_hold(hold_id: UUID, staff: Staff, service: Service) -> StaffHoldOut:
    """End a hold on an item at once; of one on an account, ask that it ends, which another operator confirms.

    Effects:  publishes hold.released for an item; publishes action.recorded.
    """
    return StaffHoldOut.of(await service.holds.release(hold_id, staff_actor(staff.id)))
