"""What the signed-in person has accepted and was told of."""

from uuid import UUID

from fastapi import APIRouter

from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.identity import CurrentUser, Staff
from services.auth.agreement_schemas import (
    AcceptanceOut,
    AcceptancesOut,
    AcceptIn,
    NoticeOut,
    NoticeRunOut,
    NoticeRunsOut,
    NoticesOut,
)
from services.auth.errors import NoticeNotFound, TermsOutdated
from services.auth.routes.parameters import PREFIX, Service
from services.auth.schemas import DueOut

router = APIRouter(prefix=PREFIX, tags=["agreements"])


@router.get("/me/acceptances", responses=problems(Unauthenticated))
async def list_acceptances(user: CurrentUser, service: Service) -> AcceptancesOut:
    """Return what the person has accepted, and what has to be accepted anew.

    Personal: all of it, to their own subject only.
    """
    due = await service.agreements.due(user.id)
    accepted = await service.agreements.accepted(user.id)
    return AcceptancesOut(
        due=[DueOut(document=each.document, version=each.version) for each in due],
        accepted=[AcceptanceOut.of(each) for each in accepted],
    )


@router.post("/me/acceptances", status_code=204, responses=problems(Unauthenticated, TermsOutdated))
async def accept(body: AcceptIn, user: CurrentUser, service: Service) -> None:
    """Accept the version of a document that is in force; its notice is acknowledged with it."""
    await service.agreements.accept(user.id, body.document, body.version)


@router.get("/me/notices", responses=problems(Unauthenticated))
async def list_notices(user: CurrentUser, service: Service) -> NoticesOut:
    """Return the significant changes that the person has not acknowledged, to be shown until they are."""
    return NoticesOut(notices=[NoticeOut.of(each) for each in await service.agreements.notices(user.id)])


@router.post(
    "/me/notices/{notice_id}/acknowledge",
    status_code=204,
    responses=problems(Unauthenticated, NoticeNotFound),
)
async def acknowledge(notice_id: UUID, user: CurrentUser, service: Service) -> None:
    """Note that the person has seen a notice. That is no acceptance."""
    await service.agreements.acknowledge(user.id, notice_id)


@router.get("/staff/policy-notices", responses=problems(Unauthenticated, Forbidden))
async def list_notice_runs(_: Staff, service: Service) -> NoticeRunsOut:
    """Return how far everybody has been told of each significant version."""
    return NoticeRunsOut(runs=[NoticeRunOut.of(each) for each in await service.notifying.states()])
