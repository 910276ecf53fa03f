"""The contact form at `/contacts`, and at `/requests/{id}` what a mailed link leads to.

Who has a link is let in by its token alone, which stands behind `#` and so reaches no server and no log by itself.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import HTMLResponse

from services.privacy.policies.page.rendering import Page, negotiated
from services.privacy.policies.page.routes import HEADERS
from services.privacy.policies.texts import Language
from services.privacy.requests.page import rendering

Accepted = Annotated[str, Header(max_length=1_000)]
BY_LANGUAGE = {"vary": "Accept-Language"}

router = APIRouter(include_in_schema=False)


@router.get(rendering.CONTACTS)
async def show_form(accept_language: Accepted = "") -> HTMLResponse:
    """Show the contact form, in the language that the browser asks for."""
    return _answer(rendering.contacts(negotiated(accept_language)), BY_LANGUAGE)


@router.get(rendering.CONTACTS + "/{language}")
async def show_form_in(language: Language) -> HTMLResponse:
    """Show it in one language."""
    return _answer(rendering.contacts(language))


@router.get(rendering.REQUESTS + "/{request_id}")
async def show_request(request_id: UUID, accept_language: Accepted = "") -> HTMLResponse:
    """Show the page of a request, the same whether or not there is one."""
    return _answer(rendering.request(request_id, negotiated(accept_language)), BY_LANGUAGE)


@router.get(rendering.REQUESTS + "/{request_id}/{language}")
async def show_request_in(request_id: UUID, language: Language) -> HTMLResponse:
    """Show it in one language."""
    return _answer(rendering.request(request_id, language))


def _answer(page: Page, more: dict[str, str] | None = None) -> HTMLResponse:
    return HTMLResponse(page.html, headers=HEADERS | page.headers | (more or {}))
