"""The policy as a page for everybody, at `/privacy`."""

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import HTMLResponse

from libs.common.app import provided
from services.privacy.errors import DataMapMissing
from services.privacy.policies.page.rendering import negotiated, render
from services.privacy.policies.texts import Language
from services.privacy.service import PrivacyService
from services.privacy.settings import PrivacySettings

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]
Accepted = Annotated[str, Header(max_length=1_000)]

HEADERS = {
    "cache-control": "no-cache",  # a publication takes effect at once
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

router = APIRouter(prefix="/privacy", include_in_schema=False)


@router.get("")
async def show_policy(request: Request, service: Service, accept_language: Accepted = "") -> HTMLResponse:
    """Show the policy in force and what the data map says beside it, in the language that the browser asks for."""
    page = await _page(request, service, negotiated(accept_language))
    page.headers["vary"] = "Accept-Language"
    return page


@router.get("/{language}")
async def show_policy_in(language: Language, request: Request, service: Service) -> HTMLResponse:
    """Show it in one language."""
    return await _page(request, service, language)


async def _page(request: Request, service: PrivacyService, language: Language) -> HTMLResponse:
    settings: PrivacySettings = request.app.state.settings
    publication, texts = await service.policies.in_force("policy")
    page = render(texts, language, _record(settings.data_map), publication.published_at.date().isoformat())
    return HTMLResponse(page.html, headers=HEADERS | page.headers)


@cache
def _record(path: Path) -> dict[str, Any]:
    """Return the data map, read once. Raises DataMapMissing (503)."""
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataMapMissing(f"{path.name} cannot be read: run `make contracts`") from error
    return record
