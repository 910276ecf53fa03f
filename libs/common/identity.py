"""Who is asking: verified from the access token in every service, whatever the gateway said."""

import hashlib
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError, SecurityWarning
from joserfc.jwt import JWTClaimsRegistry

from libs.common.errors import Forbidden, Unauthenticated
from libs.common.keys import PublishedKeys
from libs.common.metrics import TOKENS
from libs.common.revocations import Revocations
from libs.common.settings import CommonSettings
from libs.common.suspensions import Suspensions

ALGORITHM = "EdDSA"
"""The only accepted one. RFC 9864 renames it Ed25519; the gateway's JWT filter knows the old name only (ADR 0008)."""
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068), no password
STAFF = "staff"
"""The role of an operator. Auth alone gives it, to staff accounts: no person's account can get it (ADR 0022)."""
CACHED_TOKENS = 20_000
SKEW_S = 30.0
"""How far auth's clock may be ahead of this process's."""

warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in person or operator: opaque ids and roles, nothing else.

    Args:     issued_at: when the token was signed; signed_in_at: when the password was given, which a refresh leaves
              as it is. Both in whole seconds, rounded down.
    """

    id: UUID
    session_id: UUID
    roles: frozenset[str]
    issued_at: datetime
    signed_in_at: datetime

    def signed_in_within(self, seconds: float) -> bool:
        """Tell whether the password was given so recently that nobody else is likely to sit there."""
        return time.time() - self.signed_in_at.timestamp() <= seconds


class SignInAgain(Unauthenticated):
    """What is asked for is given only to who signed in a moment ago: a device that was left open is not enough."""

    code, title = "sign-in-again", "Sign in again to do this: the sign-in is too long ago"

    @property
    def headers(self) -> dict[str, str]:
        """Ask for a fresh sign-in (RFC 9470)."""
        return {"WWW-Authenticate": 'Bearer error="insufficient_user_authentication"'}


class TokenVerifier:
    """Verifies access tokens, remembering by hash those that passed, never longer than auth lets one last.

    A token that would last longer was not made by auth, whatever key it is signed with; and one that a withdrawn key
    signed is looked at again in time.

    Source:   measured, performance.md: Ed25519 costs 113 us a check, so a cache doubles what a process answers.
    """

    def __init__(self, settings: CommonSettings, keys: PublishedKeys, revocations: Revocations) -> None:
        self._keys, self._revocations = keys, revocations
        self._claims = JWTClaimsRegistry(
            iss={"essential": True, "value": settings.token_issuer},
            aud={"essential": True, "value": settings.token_audience},
            exp={"essential": True},
            sub={"essential": True},
            sid={"essential": True},
            iat={"essential": True},
        )
        self._lifetime_s = settings.access_token_ttl_s
        self._passed: OrderedDict[bytes, tuple[User, float]] = OrderedDict()

    async def user(self, token: str) -> User:
        """Return whom a token speaks for.

        Raises:   Unauthenticated (401): forged, expired, of another kind, or ended since.
                  Unavailable (503): it is not known yet which sessions have ended.
        """
        digest = hashlib.sha256(token.encode()).digest()
        user = self._remembered(digest) or await self._verify(token, digest)
        await self._revocations.check()
        if self._revocations.ended(user.id, user.session_id):
            raise self._refused("ended", "this session has ended, sign in again")
        return user

    def _remembered(self, digest: bytes) -> User | None:
        user, until = self._passed.get(digest, (None, 0.0))
        if until > time.time():
            return user
        self._passed.pop(digest, None)
        return None

    async def _verify(self, token: str, digest: bytes) -> User:
        try:
            header = jws.extract_compact(token.encode()).headers()
            if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
                raise self._refused("wrong-type", "this is not an access token")
            keys = await self._keys.having(str(header.get("kid")))
            claims = jwt.decode(token, keys, algorithms=[ALGORITHM]).claims
            self._claims.validate(claims)
            user, until = _user(claims), self._lasting(float(claims["exp"]))
        except ExpiredTokenError as error:
            raise self._refused("expired", "the access token has expired, refresh it") from error
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise self._refused("invalid", "the access token is not valid") from error
        TOKENS.labels("verified").inc()
        self._remember(digest, user, until)
        return user

    def _lasting(self, expires_at: float) -> float:
        """Return until when a token may be remembered. Raises ValueError: it lasts longer than auth's do."""
        latest = time.time() + self._lifetime_s
        if not expires_at <= latest + SKEW_S:
            raise ValueError("the token lasts too long")
        return min(expires_at, latest)

    def _remember(self, digest: bytes, user: User, until: float) -> None:
        self._passed[digest] = user, until
        if len(self._passed) > CACHED_TOKENS:
            self._passed.popitem(last=False)

    def _refused(self, outcome: str, detail: str) -> Unauthenticated:
        TOKENS.labels(outcome).inc()
        return Unauthenticated(detail)


def _user(claims: dict[str, Any]) -> User:
    issued_at = datetime.fromtimestamp(int(claims["iat"]), UTC)
    signed_in_at = datetime.fromtimestamp(int(claims.get("auth_time", 0)), UTC)
    roles = frozenset(claims.get("roles", ()))
    return User(UUID(claims["sub"]), UUID(claims["sid"]), roles, issued_at, signed_in_at)


bearer = HTTPBearer(auto_error=False, description="an access token from POST /api/auth/v1/sessions")


async def signed_in(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> User:
    """Return whom the request's token speaks for, a person or an operator.

    Raises:   Unauthenticated (401).
    """
    if credentials is None:
        raise Unauthenticated("send the access token as `Authorization: Bearer ...`")
    verifier: TokenVerifier = request.app.state.verifier
    return await verifier.user(credentials.credentials)


SignedIn = Annotated[User, Depends(signed_in)]


async def current_user(request: Request, user: SignedIn) -> User:
    """Return the signed-in person.

    A hidden person's sessions have ended, so that their tokens are refused before this. It is asked all the same: a
    process that has not heard of an ended session must not show anything of who wants to be erased.

    Raises:   Unauthenticated (401).  Forbidden (403): an operator, who acts as no person and owns nothing.
              AccountHidden (410): the token is older than the person's wish to be erased.
    """
    if STAFF in user.roles:
        raise Forbidden("this is for people; operators have routes of their own")
    suspensions: Suspensions = request.app.state.suspensions
    await suspensions.refuse_hidden(user.id, user.issued_at)
    return user


async def staff(user: SignedIn) -> User:
    """Return the signed-in operator.

    Raises:   Unauthenticated (401).  Forbidden (403): a person.
    """
    if STAFF not in user.roles:
        raise Forbidden("this is for operators")
    return user


CurrentUser = Annotated[User, Depends(current_user)]


async def unrestricted_user(request: Request, user: CurrentUser) -> User:
    """Return the signed-in person, where something is to be made of their data.

    Raises:   Unauthenticated (401), Forbidden (403), AccountHidden (410), as for any person.
              ProcessingRestricted (409): they said that nothing is.
    """
    suspensions: Suspensions = request.app.state.suspensions
    await suspensions.refuse_use(user.id)
    return user


async def recent_user(request: Request, user: CurrentUser) -> User:
    """Return the signed-in person, where they signed in a moment ago.

    Raises:   Unauthenticated (401), Forbidden (403), AccountHidden (410), as for any person.
              SignInAgain (401): the sign-in is too long ago.
    """
    if not user.signed_in_within(request.app.state.settings.recent_sign_in_s):
        raise SignInAgain
    return user


RecentUser = Annotated[User, Depends(recent_user)]
UnrestrictedUser = Annotated[User, Depends(unrestricted_user)]
Staff = Annotated[User, Depends(staff)]
