"""The operators' queue of requests, and what they do with one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.identity import Staff
from libs.common.pagination import CursorParam, InvalidCursor, Limit, Page, encode_cursor
from services.privacy.errors import (
    AlreadyExtended,
    AlreadyProven,
    MessageTooLong,
    NoMinorReport,
    RequestClosed,
    RequestNotFound,
)
from services.privacy.requests.kinds import Kind
from services.privacy.requests.schemas import (
    AnswerIn,
    ExtensionIn,
    IdentityIn,
    MinorIn,
    RequestSummaryOut,
    StaffRequestOut,
    StaffSummaryOut,
)
from services.privacy.service import PrivacyService

PAGE = 20

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]
OnlyOpen = Annotated[bool, Query(alias="open", description="only what waits for an answer")]
Reference = Annotated[str | None, Query(max_length=16, description="as it stands in mails")]

router = APIRouter(
    prefix="/api/privacy/v1/staff/requests",
    tags=["requests"],
    responses=problems(Unauthenticated, Forbidden),
)


@router.get("", responses=problems(InvalidCursor))
async def list_queue(
    _: Staff,
    service: Service,
    *,
    cursor: CursorParam = None,
    limit: Limit = PAGE,
    only_open: OnlyOpen = True,
    kind: Kind | None = None,
    reference: Reference = None,
) -> Page[StaffSummaryOut]:
    """Return requests, what is due first.

    Personal: none: kinds, states and times, by opaque ids.
    """
    rows = await service.requests.desk.requests.queue(
        cursor, limit + 1, only_open=only_open, kind=kind, reference=reference
    )
    page = rows[:limit]
    more = _cursor_behind(page[-1]) if len(rows) > limit else None
    return Page(items=[StaffSummaryOut.of(row) for row in page], next_cursor=more)


@router.get("/{request_id}", responses=problems(RequestNotFound))
async def show_request(request_id: UUID, staff: Staff, service: Service) -> StaffRequestOut:
    """Return a request and what was written in it.

    Personal: all of it, to operators.
    Effects:  request.viewed, in the audit ledger.
    """
    return StaffRequestOut.told(*await service.requests.desk.read(request_id, staff_actor(staff.id)))


@router.post(
    "/{request_id}/answers",
    status_code=201,
    responses=problems(RequestNotFound, RequestClosed, MessageTooLong),
)
async def answer_request(
    request_id: UUID, body: AnswerIn, staff: Staff, service: Service
) -> RequestSummaryOut:
    """Write to the person, and end the request where `ends_as` says how.

    Effects:  a mail; request.answered, in the audit ledger.
    """
    actor = staff_actor(staff.id)
    answered = await service.requests.desk.answer(request_id, body.message, actor, ends_as=body.ends_as)
    return RequestSummaryOut.of(answered)


@router.post(
    "/{request_id}/extension",
    responses=problems(RequestNotFound, RequestClosed, AlreadyExtended, MessageTooLong),
)
async def extend_request(
    request_id: UUID, body: ExtensionIn, staff: Staff, service: Service
) -> RequestSummaryOut:
    """Take two further months, once, with a reason that the person is told.

    Effects:  a mail; request.extended, in the audit ledger.
    """
    actor = staff_actor(staff.id)
    return RequestSummaryOut.of(await service.requests.desk.extend(request_id, body.reason, actor))


@router.post("/{request_id}/identity", responses=problems(RequestNotFound, RequestClosed, AlreadyProven))
async def confirm_identity(
    request_id: UUID, body: IdentityIn, staff: Staff, service: Service
) -> RequestSummaryOut:
    """Confirm after a check by hand whose account a request is about. Its owner is told.

    Effects:  publishes request.accepted; request.identity-confirmed, in the audit ledger.
    """
    actor = staff_actor(staff.id)
    confirmed = await service.requests.desk.confirm_identity(request_id, body.user_id, body.ground, actor)
    return RequestSummaryOut.of(confirmed)


@router.post("/{request_id}/minor", responses=problems(RequestNotFound, RequestClosed, NoMinorReport))
async def confirm_minor(request_id: UUID, body: MinorIn, staff: Staff, service: Service) -> RequestSummaryOut:
    """Confirm that somebody is under 18: their account is closed and erased without grace.

    Effects:  publishes minor.confirmed; minor.confirmed, in the audit ledger.
    """
    actor = staff_actor(staff.id)
    return RequestSummaryOut.of(await service.requests.desk.confirm_minor(request_id, body.user_id, actor))


def _cursor_behind(row: Any) -> str:
    return f"{'o' if row['open'] else 'c'}.{encode_cursor(row['due_at'], row['_id'])}"
