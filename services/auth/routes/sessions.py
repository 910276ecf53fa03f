"""Signing in, staying signed in, signing out."""

from uuid import UUID

from fastapi import APIRouter

from libs.common.errors import TooMany, Unauthenticated, problems
from libs.common.identity import CurrentUser
from libs.common.pagination import CursorParam, Limit, Page
from services.auth.errors import RefreshInvalid, RefreshReused, SessionNotFound, WrongCredentials
from services.auth.routes.parameters import PREFIX, CallingClient, Service
from services.auth.schemas import RefreshIn, SessionOut, SignedOut, SignInIn

router = APIRouter(prefix=f"{PREFIX}/sessions", tags=["session"])


@router.post("", status_code=201, responses=problems(WrongCredentials, TooMany))
async def sign_in(body: SignInIn, client: CallingClient, service: Service) -> SignedOut:
    """Sign in with an e-mail address or a username, and the password, once the address is verified.

    `accept_anew` names what has changed significantly since the person accepted it.
    """
    signed = await service.sessions.sign_in(body.login, body.password, client)
    return SignedOut.of(signed, await service.agreements.due(signed.user_id))


@router.post("/refresh", responses=problems(RefreshInvalid, RefreshReused))
async def refresh(body: RefreshIn, client: CallingClient, service: Service) -> SignedOut:
    """Exchange a refresh token for a new pair of tokens.

    It works once. A second use ends the session for everybody who holds one of its tokens: whoever lost the answer
    to a refresh signs in again.
    """
    return SignedOut.of(await service.sessions.refresh(body.refresh_token, client))


@router.delete("/current", status_code=204, responses=problems(Unauthenticated, SessionNotFound))
async def sign_out(user: CurrentUser, service: Service) -> None:
    """End the session that this token belongs to."""
    await service.sessions.revoke(user.id, user.session_id, "signed-out")


@router.get("", responses=problems(Unauthenticated))
async def list_sessions(
    user: CurrentUser, service: Service, cursor: CursorParam = None, limit: Limit = 50
) -> Page[SessionOut]:
    """List the signed-in person's live sessions, the latest sign-in first.

    Personal: addresses and devices, to their own subject only.
    """
    page = await service.sessions.page(user.id, cursor=cursor, limit=limit)
    items = [SessionOut.of(session, user.session_id) for session in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


@router.delete("/{session_id}", status_code=204, responses=problems(Unauthenticated, SessionNotFound))
async def revoke_session(session_id: UUID, user: CurrentUser, service: Service) -> None:
    """End one of the signed-in person's sessions."""
    await service.sessions.revoke(user.id, session_id, "revoked")
