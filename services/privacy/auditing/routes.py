"""The audit ledger's HTTP API, for operators: to read it, and to take it away."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.identity import Staff
from libs.common.pagination import InvalidCursor, Limit, Page, encode_cursor
from services.privacy.auditing.schemas import AuditCheckpointOut, AuditEntryOut, AuditFilter
from services.privacy.service import PrivacyService

PAGE = 50
EXPORTED_AT_ONCE = 2_000
LINES = "application/x-ndjson"
NEXT = "X-Next-After"

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]

router = APIRouter(prefix="/api/privacy/v1/staff/audit", tags=["audit"])


@router.get("/entries", responses=problems(Unauthenticated, Forbidden, InvalidCursor))
async def list_entries(
    asked: Annotated[AuditFilter, Query()], staff: Staff, service: Service
) -> Page[AuditEntryOut]:
    """Return entries, the latest first.

    Effects:  where a person is asked about, publishes action.recorded.
    """
    ledger, about, limit = service.ledger, asked.subject, asked.limit
    wanted = asked.wanted(None if about is None else ledger.pseudonym(about))
    rows = await ledger.page(wanted, asked.cursor, limit + 1, subject=about, actor=staff_actor(staff.id))
    more = encode_cursor(rows[limit - 1].at, rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[AuditEntryOut.of(row) for row in rows[:limit]], next_cursor=more)


@router.get("/export", responses=problems(Unauthenticated, Forbidden), response_class=Response)
async def export_entries(
    staff: Staff,
    service: Service,
    stream: Annotated[str, Query(max_length=64, description="of the last entry known")] = "",
    sequence: Annotated[int, Query(ge=0, description="of the last entry known")] = 0,
) -> Response:
    """Return entries byte for byte, one a line: stream by stream, each in its order.

    `X-Next-After` names the last one, as `stream:sequence`, where more follow.

    Effects:  publishes action.recorded, at the beginning.
    """
    rows = await service.ledger.export(stream, sequence, EXPORTED_AT_ONCE, actor=staff_actor(staff.id))
    more = len(rows) == EXPORTED_AT_ONCE
    headers = {NEXT: f"{rows[-1].stream}:{rows[-1].sequence}"} if more else {}
    return Response(b"".join(row.entry + b"\n" for row in rows), media_type=LINES, headers=headers)


@router.get("/checkpoints", responses=problems(Unauthenticated, Forbidden))
async def list_checkpoints(
    _: Staff, service: Service, after: UUID | None = None, limit: Limit = PAGE
) -> Page[AuditCheckpointOut]:
    """Return checkpoints, the oldest first; `next_cursor` is the next `after`."""
    rows = await service.checkpoints.page(after, limit + 1)
    more = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[AuditCheckpointOut.of(row) for row in rows[:limit]], next_cursor=more)


@router.post("/checkpoints", status_code=201, responses=problems(Unauthenticated, Forbidden))
async def make_checkpoint(staff: Staff, service: Service) -> AuditCheckpointOut:
    """Sign where the ledger stands now.

    Effects:  a checkpoint; publishes action.recorded.
    """
    return AuditCheckpointOut.of(await service.checkpoints.make(staff_actor(staff.id)))
