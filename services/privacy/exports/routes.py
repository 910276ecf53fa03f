"""The exports' HTTP API: for the person whose data it is, and for operators, who never get an archive."""

import re
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.exporting.segments import SEGMENT
from libs.common.identity import CurrentUser, RecentUser, SignInAgain, Staff
from libs.common.pagination import Limit
from services.privacy.errors import (
    ExportGone,
    ExportNotFound,
    ExportNotReady,
    ExportTooSoon,
    RangeUnfit,
)
from services.privacy.exports.schemas import (
    ExportOut,
    ExportsOut,
    ExportStandingOut,
    ExportStandingsOut,
)
from services.privacy.service import PrivacyService

FILENAME = "pixera-data.zip"
FROM = re.compile(r"bytes=(\d{1,18})-")
PAGE = 50

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]

router = APIRouter(prefix="/api/privacy/v1", tags=["exports"])


@router.post("/exports", status_code=202, responses=problems(Unauthenticated, SignInAgain, ExportTooSoon))
async def ask_for_export(user: RecentUser, service: Service) -> ExportOut:
    """Have everything that is held of the signed-in person put into an archive; they are mailed when it is ready.

    Where one is being made already, it is the answer.

    Raises:   SignInAgain: the sign-in is not recent; ExportTooSoon: the last one is less than a day old.
    Effects:  publishes export.requested and action.recorded.
    """
    return ExportOut.of(await service.exports.ask(user.id))


@router.get("/exports", responses=problems(Unauthenticated))
async def list_exports(user: CurrentUser, service: Service) -> ExportsOut:
    """Return the signed-in person's exports, the latest first."""
    return ExportsOut(exports=[ExportOut.of(each) for each in await service.exports.of(user.id)])


@router.get("/exports/{export_id}", responses=problems(Unauthenticated, ExportNotFound))
async def get_export(export_id: UUID, user: CurrentUser, service: Service) -> ExportOut:
    """Return how far an export is.

    Raises:   ExportNotFound: absent, or another person's; 404 for both.
    """
    return ExportOut.of(await service.exports.get(user.id, export_id))


@router.get(
    "/exports/{export_id}/archive",
    response_class=StreamingResponse,
    responses=problems(Unauthenticated, SignInAgain, ExportNotFound, ExportNotReady, ExportGone, RangeUnfit)
    | {200: {"content": {"application/zip": {}}}, 206: {"content": {"application/zip": {}}}},
)
async def download_archive(
    export_id: UUID,
    user: RecentUser,
    service: Service,
    wanted: Annotated[
        str, Header(alias="Range", max_length=40, description="`bytes=<first>-`, to go on with a download")
    ] = "",
) -> StreamingResponse:
    """Return the archive of an export, to its own person only, who signed in a moment ago.

    Raises:   ExportNotFound: absent, or another person's; ExportNotReady; ExportGone: its time is over;
              SignInAgain: the sign-in is not recent; RangeUnfit: it begins behind the end, or is of another kind.
    Effects:  publishes action.recorded.
    Personal: everything.
    """
    first = _first_byte(wanted)
    archive = await service.exports.open(user.id, export_id, first // SEGMENT)
    size = archive.export.size
    if first >= size:
        raise RangeUnfit
    headers = {
        "Content-Length": str(size - first),
        "Content-Disposition": f'attachment; filename="{FILENAME}"',
        "Cache-Control": "no-store",
        "Accept-Ranges": "bytes",
        "ETag": f'"{archive.export.sha256}"',
    }
    if wanted:
        headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
    begun = await anext(archive.chunks)  # before the answer begins, so that what cannot be read is an error
    body = _from(begun[first % SEGMENT :], archive.chunks)
    return StreamingResponse(body, 206 if wanted else 200, headers, "application/zip")


@router.get("/staff/exports", responses=problems(Unauthenticated, Forbidden))
async def list_all_exports(_: Staff, service: Service, limit: Limit = PAGE) -> ExportStandingsOut:
    """Return exports of everybody, open ones first, without whose they are."""
    return ExportStandingsOut(
        exports=[ExportStandingOut.of(each) for each in await service.exports.for_staff(limit)]
    )


@router.get("/staff/exports/{case}", responses=problems(Unauthenticated, Forbidden, ExportNotFound))
async def show_export(case: UUID, staff: Staff, service: Service) -> ExportStandingOut:
    """Return an export by its own id, or by that of a request that it answers.

    Effects:  publishes action.recorded: somebody looked.
    """
    return ExportStandingOut.of(await service.exports.view(case, staff_actor(staff.id)))


@router.post("/staff/exports/{case}/retry", responses=problems(Unauthenticated, Forbidden, ExportNotFound))
async def retry_export(case: UUID, staff: Staff, service: Service) -> ExportStandingOut:
    """Ask again for what an export waits for; nothing happens to one that is ready.

    Effects:  publishes export.requested where parts are missing, and action.recorded.
    """
    return ExportStandingOut.of(await service.exports.retry(case, staff_actor(staff.id)))


def _first_byte(wanted: str) -> int:
    """Return where a download begins. Raises RangeUnfit: another kind of range. Source: RFC 9110 14.2."""
    if not wanted:
        return 0
    if found := FROM.fullmatch(wanted):
        return int(found[1])
    raise RangeUnfit


async def _from(begun: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what is read already, and then what follows."""
    yield begun
    async for chunk in chunks:
        yield chunk
