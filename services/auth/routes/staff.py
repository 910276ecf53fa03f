"""Operators: signing in and out, and who else is one."""

from uuid import UUID

from fastapi import APIRouter

from libs.common.audit import staff_actor
from libs.common.errors import Forbidden, TooMany, Unauthenticated, problems
from libs.common.identity import Staff
from libs.common.pagination import Limit, Page
from services.auth.errors import (
    OwnStaffAccount,
    PersonNotFound,
    StaffNameTaken,
    StaffNotFound,
    WeakPassword,
    WrongStaffCredentials,
)
from services.auth.routes.parameters import PREFIX, CallingClient, Service
from services.auth.schemas import (
    LookUpIn,
    PersonOut,
    StaffAccountIn,
    StaffAccountOut,
    StaffSignedOut,
    StaffSignInIn,
)

PAGE = 20

router = APIRouter(prefix=f"{PREFIX}/staff", tags=["staff"])


@router.post("/sessions", status_code=201, responses=problems(WrongStaffCredentials, TooMany))
async def sign_in_staff(body: StaffSignInIn, client: CallingClient, service: Service) -> StaffSignedOut:
    """Sign an operator in: one access token, and no way to renew it but the password.

    Effects:  staff.signed-in or staff.refused, in the audit ledger.
    """
    return StaffSignedOut.of(await service.staff.sign_in(body.name, body.password, client))


@router.delete("/sessions/current", status_code=204, responses=problems(Unauthenticated, Forbidden))
async def sign_out_staff(staff: Staff, service: Service) -> None:
    """End the session that this token belongs to."""
    await service.staff.sign_out(staff.id, staff.session_id)


@router.post("/people/look-up", responses=problems(Unauthenticated, Forbidden, PersonNotFound))
async def look_up_person(body: LookUpIn, staff: Staff, service: Service) -> PersonOut:
    """Return the opaque id of an account, to say whose account a request is about.

    Effects:  person.looked-up, in the audit ledger.
    """
    return PersonOut(user_id=await service.staff.look_up(body.login, by=staff.id))


@router.get("/accounts", responses=problems(Unauthenticated, Forbidden))
async def list_staff(
    _: Staff, service: Service, after: UUID | None = None, limit: Limit = PAGE
) -> Page[StaffAccountOut]:
    """List staff accounts, disabled ones too; `next_cursor` is the next `after`.

    Personal: operators' names, to operators only.
    """
    rows = await service.staff.page(after, limit + 1)
    more = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[StaffAccountOut.of(row) for row in rows[:limit]], next_cursor=more)


@router.post(
    "/accounts",
    status_code=201,
    responses=problems(Unauthenticated, Forbidden, StaffNameTaken, WeakPassword),
)
async def add_staff(body: StaffAccountIn, staff: Staff, service: Service) -> StaffAccountOut:
    """Make a staff account for another operator.

    Effects:  staff.added, in the audit ledger.
    """
    actor = staff_actor(staff.id)
    account = await service.staff.add(body.name, body.password, actor=actor, ground="by-staff")
    return StaffAccountOut.of(account)


@router.delete(
    "/accounts/{staff_id}",
    status_code=204,
    responses=problems(Unauthenticated, Forbidden, StaffNotFound, OwnStaffAccount),
)
async def disable_staff(staff_id: UUID, staff: Staff, service: Service) -> None:
    """Shut an operator out for good: every session ends at once.

    Effects:  staff.disabled, in the audit ledger.
    """
    await service.staff.disable(staff_id, by=staff.id)
