"""The policies' HTTP API: what is in force, for anybody; publishing, for operators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import HTMLResponse, JSONResponse

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.identity import Staff
from services.privacy.errors import PolicyOutdated, PolicyPublished, PolicyUnknown
from services.privacy.policies.schemas import (
    DeviceStorageOut,
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
PAGE = "text/html"
FOR_A_DAY = "public, max-age=86400"

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


@router.get(
    "/policies/{document}/{version}/{language}",
    response_model=PolicyTextOut,
    responses=problems(PolicyUnknown),
)
async def read_version(
    document: DocumentName,
    version: str,
    language: Language,
    service: Service,
    accept: Annotated[str, Header(max_length=1_000, include_in_schema=False)] = "",
) -> Response:
    """Return a published version in a language, to anybody: as a page to a browser. It never changes: keep it."""
    found = PolicyTextOut.of(*await service.policies.text(document, version, language))
    headers = {"Cache-Control": FOR_GOOD, "Vary": "Accept"}
    if PAGE in accept:
        return HTMLResponse(found.page, headers=headers)
    return JSONResponse(found.model_dump(mode="json"), headers=headers)


@router.get("/device-storage")
async def list_device_storage(response: Response) -> DeviceStorageOut:
    """Return what is kept on a person's device, cookies and local storage, to anybody."""
    response.headers["Cache-Control"] = FOR_A_DAY
    return DeviceStorageOut.all()


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
