"""Privacy's HTTP API: for a person whose account is gone, for anyone who checks, and for operators."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.errors import Forbidden, problems
from libs.common.identity import Staff
from libs.common.pagination import CursorParam, InvalidCursor, Limit, Page, decode_cursor, encode_cursor
from libs.common.signing import key_id_of, public_jwk, public_pem
from services.privacy.errors import CaseNotFound, CertificateNotFound
from services.privacy.models import Case
from services.privacy.schemas import (
    CaseOut,
    CaseSummaryOut,
    CertificateOut,
    CertificatesOut,
    ChainHeadOut,
    ErasuresOut,
    KeyOut,
    KeysOut,
    StaffCaseOut,
)
from services.privacy.service import PrivacyService

PAGE = 20
SCHEME = "case "
CANONICAL = "application/json"

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]


def case_token(
    x_case_token: Annotated[
        str | None,
        Header(max_length=200, description="given with the deletion; or `Authorization: Case <token>`"),
    ] = None,
    authorization: Annotated[str | None, Header(max_length=250, include_in_schema=False)] = None,
) -> str:
    """Return the case token that came with a request, empty where none did."""
    if x_case_token:
        return x_case_token
    if authorization and authorization.lower().startswith(SCHEME):
        return authorization[len(SCHEME) :].strip()
    return ""


CaseToken = Annotated[str, Depends(case_token)]

router = APIRouter(prefix="/api/privacy/v1", tags=["privacy"])


@router.get("/cases/{case_id}", responses=problems(CaseNotFound))
async def get_case(case_id: UUID, token: CaseToken, service: Service) -> CaseOut:
    """Return how far an erasure has come, to whoever has its case token.

    Raises:   CaseNotFound: absent, or a wrong token; 404 for both.
    Personal: none: counts, times and names of services.
    """
    case = await service.case_for(case_id, token)
    return CaseOut.told(case, await service.items_of(case))


@router.get(
    "/cases/{case_id}/certificate",
    responses=problems(CaseNotFound, CertificateNotFound),
    response_class=Response,
)
async def get_certificate(case_id: UUID, token: CaseToken, service: Service) -> Response:
    """Return the signed certificate of an erasure, byte for byte, to whoever has its case token.

    Raises:   CaseNotFound: absent, or a wrong token; CertificateNotFound: not VERIFIED yet; 404 for all.
    """
    case = await service.case_for(case_id, token)
    name = f"pixera-erasure-{case.id}.json"
    return Response(
        await service.certificates.of_case(case.id),
        media_type=CANONICAL,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/cases/{case_id}/certificates", responses=problems(CaseNotFound))
async def list_certificates_of_case(case_id: UUID, token: CaseToken, service: Service) -> CertificatesOut:
    """Return an erasure's certificate and all that amends it since, to whoever has its case token.

    Each is in `signed` byte for byte. Empty while the erasure is not proven.
    """
    case = await service.case_for(case_id, token)
    rows = await service.certificates.all_of_case(case.id)
    return CertificatesOut(items=[CertificateOut.of(row) for row in rows])


@router.get("/staff/cases/{case_id}/certificates", responses=problems(Forbidden, CaseNotFound))
async def show_certificates_of_case(case_id: UUID, staff: Staff, service: Service) -> CertificatesOut:
    """Return a case's certificate and all that amends it.

    Effects:  publishes action.recorded: somebody took them.
    """
    rows = await service.take_certificates(case_id, staff_actor(staff.id))
    return CertificatesOut(items=[CertificateOut.of(row) for row in rows])


@router.get("/keys")
async def list_keys(service: Service) -> KeysOut:
    """Return the public keys that certificates are checked with, to anybody."""
    keys = service.certificates.keys
    return KeysOut(
        keys=[KeyOut(kid=key_id_of(key), jwk=public_jwk(key), pem=public_pem(key)) for key in keys]
    )


@router.get("/certificates/head")
async def get_head(service: Service) -> ChainHeadOut:
    """Return the number and hash of the last certificate, to anybody."""
    return ChainHeadOut.of(await service.certificates.head())


@router.get("/staff/cases", responses=problems(Forbidden, InvalidCursor))
async def list_cases(
    _: Staff, service: Service, cursor: CursorParam = None, limit: Limit = PAGE
) -> Page[CaseSummaryOut]:
    """Return all cases, open ones first, the soonest due before the others."""
    rows = await service.cases(_behind(cursor), limit + 1)
    page = rows[:limit]
    return Page(
        items=[CaseSummaryOut.of(row) for row in page],
        next_cursor=_cursor(page[-1]) if len(rows) > limit else None,
    )


@router.get("/staff/cases/{case_id}", responses=problems(Forbidden, CaseNotFound))
async def show_case(case_id: UUID, staff: Staff, service: Service) -> StaffCaseOut:
    """Return one case.

    Effects:  publishes action.recorded: somebody looked.
    """
    case = await service.view(case_id, staff_actor(staff.id))
    return StaffCaseOut.shown(case, await service.items_of(case))


@router.post("/staff/cases/{case_id}/resend", responses=problems(Forbidden, CaseNotFound))
async def resend(case_id: UUID, staff: Staff, service: Service) -> StaffCaseOut:
    """Ask again for what the case waits for, with fresh patience; nothing happens to a VERIFIED one.

    Effects:  publishes inventory.requested or erasure.requested, or starts a scan; publishes action.recorded.
    """
    case = await service.resend(case_id, staff_actor(staff.id))
    return StaffCaseOut.shown(case, await service.items_of(case))


@router.get("/staff/erasures", responses=problems(Forbidden))
async def count_erasures(_: Staff, service: Service) -> ErasuresOut:
    """Return how open erasures stand against their deadline, all together."""
    return ErasuresOut.of(await service.open_cases())


@router.get("/staff/certificates", responses=problems(Forbidden))
async def list_certificates(
    staff: Staff,
    service: Service,
    after: Annotated[int, Query(ge=0, description="`sequence` of the last one known")] = 0,
    limit: Limit = PAGE,
) -> Page[CertificateOut]:
    """Return certificates in the order of the chain; `next_cursor` is the next `after`.

    Effects:  publishes action.recorded: somebody took them.
    """
    rows = await service.export_certificates(after, limit + 1, staff_actor(staff.id))
    page = rows[:limit]
    more = str(page[-1].sequence) if len(rows) > limit else None
    return Page(items=[CertificateOut.of(row) for row in page], next_cursor=more)


def _cursor(case: Case) -> str:
    return ("o" if case.open else "v") + encode_cursor(case.due_at, case.id)


def _behind(cursor: str | None) -> tuple[bool, datetime, UUID] | None:
    if cursor is None:
        return None
    if cursor[:1] not in ("o", "v"):
        raise InvalidCursor
    return cursor[0] == "o", *decode_cursor(cursor[1:])
