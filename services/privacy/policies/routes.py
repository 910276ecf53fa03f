"""The policies' HTTP API: what is in force, for anybody; publishing, for operators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.identity import Staff
from services.privacy.errors import PolicyOutdated, PolicyPublished, PolicyUnknown
from services.privacy.policies.schemas import (
    PoliciesOut,
    PolicyOut,
    PolicyStandingOut,
    PolicyStandingsOut,
    PolicyTextOut,
    PolicyVersionsOut,
)
from services.privacy.policies.texts import DocumentName, Language
from services.privacy.service import PrivacyService

ASKED_EACH_TIME = "no-cache"
"""A publication takes effect at once, so nobody answers from a cache what is in force."""
FOR_GOOD = "public, max-age=31536000, immutable"
"""A published text never changes."""

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]

router = APIRouter(prefix="/api/privacy/v1", tags=["policies"])


@router.get("/policies")
async def list_current(response: Response, service: Service) -> PoliciesOut:
    """Return the versions of the policy and the terms that are in force, to anybody."""
    response.headers["Cache-Control"] = ASKED_EACH_TIME
    return PoliciesOut(current=[PolicyOut.of(each) for each in await service.policies.current()])


@router.get("/policies/{document}")
async def list_versions(document: DocumentName, response: Response, service: Service) -> PolicyVersionsOut:
    """Return every published version of a document, to anybody, the one in force first."""
    response.headers["Cache-Control"] = ASKED_EACH_TIME
    return PolicyVersionsOut(
        versions=[PolicyOut.of(each) for each in await service.policies.published(document)]
    )


@router.get("/policies/{document}/{version}/{language}", responses=problems(PolicyUnknown))
async def read_version(
    document: DocumentName, version: str, language: Language, response: Response, service: Service
) -> PolicyTextOut:
    """Return a published version in a language, to anybody. It never changes: keep it."""
    found = PolicyTextOut.of(*await service.policies.text(document, version, language))
    response.headers["Cache-Control"] = FOR_GOOD
    return found


@router.get("/staff/policies", responses=problems(Unauthenticated, Forbidden))
async def list_standings(_: Staff, service: Service) -> PolicyStandingsOut:
    """Return every version that is written or published, and how it stands."""
    return PolicyStandingsOut(
        versions=[PolicyStandingOut.of(each) for each in await service.policies.standings()]
    )


@router.post(
    "/staff/policies/{document}/{version}/publish",
    status_code=201,
    responses=problems(Unauthenticated, Forbidden, PolicyUnknown, PolicyPublished, PolicyOutdated),
)
async def publish_version(document: DocumentName, version: str, staff: Staff, service: Service) -> PolicyOut:
    """Publish a version: it is in force at once. Where it is significant, everybody is told.

    Effects:  publishes policy.published and action.recorded.
    """
    return PolicyOut.of(await service.policies.publish(document, version, staff_actor(staff.id)))
