"""Sessions: signing in, staying signed in, and ending it.

There is no grace for a refresh token that comes twice. A client that lost the answer to a refresh signs in again:
a second use looks the same as a thief's, and a grace period is a thief's too (RFC 9700, 4.14.2).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from libs.common.client import Client
from libs.common.clock import new_id, now
from libs.common.events.auth import SessionRevokedV1
from libs.common.pagination import Page, encode_cursor
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.secret_tokens import hash_of, new_secret
from libs.common.work import UnitOfWork
from services.auth.consenting import Consenting
from services.auth.errors import RefreshInvalid, RefreshReused, SessionNotFound, WrongCredentials
from services.auth.metrics import REFRESH_REUSE, REFRESHES, RETURNS, SIGN_INS
from services.auth.models import Status
from services.auth.passwords import Passwords
from services.auth.registration import key_of
from services.auth.repository import Store
from services.auth.rows.users import Known
from services.auth.session_models import RefreshToken, Session
from services.auth.settings import AuthSettings
from services.auth.standing import Standing
from services.auth.throttling import Gates
from services.auth.tokens import AccessTokens

MAY_SIGN_IN = (Status.ACTIVE, Status.HIDDEN)


@dataclass(frozen=True)
class Signed:
    """What a client gets to act for a person."""

    user_id: UUID
    session_id: UUID
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_at: datetime


class SessionKeeper:
    """Opens, renews, lists and ends sessions."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: Store,
        work: UnitOfWork,
        passwords: Passwords,
        gates: Gates,
        access_tokens: AccessTokens,
        consenting: Consenting,
        standing: Standing,
    ) -> None:
        self._settings, self._store, self._work = settings, store, work
        self._passwords, self._gates, self._access_tokens = passwords, gates, access_tokens
        self._consenting, self._standing = consenting, standing

    async def sign_in(self, login: str, password: SecretStr, client: Client) -> Signed:
        """Open a session for whoever knows the password. A hidden account is back with it, as it was.

        Args:     login: an e-mail address or a username.
        Raises:   WrongCredentials (401), after the same work for unknown, unverified and verified accounts;
                  TooMany (429).
        Effects:  beyond `sessions_at_once` the oldest session ends, session.revoked; of a hidden person,
                  user.restored.
        """
        key = key_of(login)
        users = self._store.users
        known = await (users.by_email(key) if "@" in key else users.by_username(key))
        gate = await self._gates.sign_in(known.id if known else None, key, client.network)
        right = await self._passwords.verify(known.password_hash if known else None, password)
        if known is None or not right or known.status not in MAY_SIGN_IN:
            SIGN_INS.labels("wrong").inc()
            raise WrongCredentials
        await self._gates.clear(gate)
        signed = await self._open(known, await self._renewed_hash(known, password), client)
        SIGN_INS.labels("signed_in").inc()
        RETURNS.inc(known.status is Status.HIDDEN)
        return signed

    async def refresh(self, token: str, client: Client) -> Signed:
        """Exchange a refresh token for a new one and a new access token.

        Raises:   RefreshInvalid (401); RefreshReused (401): it was exchanged before, and now the session is over.
        Effects:  on reuse, session.revoked.
        """
        known = await self._store.refresh_tokens.find(hash_of(token), now())
        if known is None:
            REFRESHES.labels("invalid").inc()
            raise RefreshInvalid
        signed = await self._work.run(lambda: self._rotate(known, client), subject=known.user_id)
        if signed is None:
            REFRESHES.labels("reused").inc()
            REFRESH_REUSE.inc()
            raise RefreshReused
        REFRESHES.labels("refreshed").inc()
        return signed

    async def page(self, user_id: UUID, *, cursor: str | None, limit: int) -> Page[Session]:
        """Return a person's live sessions, the latest sign-in first."""
        sessions = await self._store.sessions.page(user_id, now(), cursor=cursor, limit=limit + 1)
        more = len(sessions) > limit
        last = sessions[limit - 1] if more else None
        return Page(
            items=sessions[:limit], next_cursor=encode_cursor(last.created_at, last.id) if last else None
        )

    async def revoke(self, user_id: UUID, session_id: UUID, reason: str) -> None:
        """End one session of a person.

        Raises:   SessionNotFound (404): it has ended, or is another's.
        Effects:  its refresh tokens are void; session.revoked.
        """
        ended = await self._work.run(lambda: self.end(user_id, [session_id], reason), subject=user_id)
        if not ended:
            raise SessionNotFound

    async def end_all(self, user_id: UUID, reason: str, *, but: UUID | None = None) -> int:
        """End every live session of a person, except one, in an open transaction; return how many."""
        ended, moment = 0, now()
        while ids := await self._store.sessions.live_ids(user_id, moment, but=but):
            ended += await self.end(user_id, ids, reason)
        return ended

    async def end(self, user_id: UUID, ids: list[UUID], reason: str) -> int:
        """End live sessions of a person, in an open transaction; return how many.

        Effects:  session.revoked for each.
        """
        ended = await self._store.sessions.end(user_id, ids, now(), reason)
        if ended:
            await self._store.refresh_tokens.remove(user_id, ids)
            await self._work.outbox.add(
                *(SessionRevokedV1(user_id=user_id, session_id=each, reason=reason) for each in ids)
            )
        return ended

    async def _open(self, user: Known, password_hash: str, client: Client) -> Signed:
        moment = now()
        session = Session(
            id=new_id(),
            user_id=user.id,
            ip=client.ip,
            network=self._store.look_ups.network(user.id, client.network),
            created_at=moment,
            last_used_at=moment,
            expires_at=moment + self._settings.session_lifetime,
        )

        async def write() -> Signed:
            if user.status is Status.HIDDEN:
                await self._standing.restore(user.id)
            # Written, so that a deletion or another password at the same moment conflicts with this.
            having = {"password_hash": user.password_hash}
            changed: dict[str, Any] = {"password_hash": password_hash, "signed_in_at": moment}
            if not await self._store.users.change(user.id, having=having, **changed):
                raise WrongCredentials
            await self._end_surplus(user.id, moment)
            device = await self._device(user.id, client)
            await self._store.sessions.add(session.model_copy(update={"user_agent": device}))
            return await self._signed(session, moment)

        return await self._work.run(write, subject=user.id)

    async def _device(self, user_id: UUID, client: Client) -> str | None:
        """Return what is kept of a client's browser and device, in an open transaction: None where objected to."""
        allowed = await self._consenting.allows(user_id, ChosenPurpose.SESSION_DEVICES)
        return client.user_agent if allowed else None

    async def _end_surplus(self, user_id: UUID, moment: datetime) -> None:
        """End the oldest sessions, so that there is room for one more."""
        live = await self._store.sessions.live_ids(user_id, moment)
        if surplus := live[self._settings.sessions_at_once - 1 :]:
            await self.end(user_id, surplus, "too-many-sessions")

    async def _renewed_hash(self, user: Known, password: SecretStr) -> str:
        """Return the account's hash, made anew where the parameters have changed since."""
        if not self._passwords.is_outdated(user.password_hash):
            return user.password_hash
        return await self._passwords.hash(password)

    async def _rotate(self, token: RefreshToken, client: Client) -> Signed | None:
        """Use a token and make the next one, or, where it was used before, end the session and return None."""
        moment = now()
        if not await self._store.refresh_tokens.use(token.id, moment):
            await self.end(token.user_id, [token.session_id], "refresh-reuse")
            return None
        session = await self._store.sessions.touch(
            token.user_id,
            token.session_id,
            moment,
            ip=client.ip,
            network=self._store.look_ups.network(token.user_id, client.network),
            user_agent=await self._device(token.user_id, client),
        )
        if session is None:
            raise RefreshInvalid
        return await self._signed(session, moment)

    async def _signed(self, session: Session, moment: datetime) -> Signed:
        refresh_token, token_hash = new_secret()
        expires_at = min(moment + self._settings.refresh_idle, session.expires_at)
        await self._store.refresh_tokens.add(
            RefreshToken(
                id=token_hash,
                user_id=session.user_id,
                session_id=session.id,
                created_at=moment,
                expires_at=expires_at,
            )
        )
        access_token, expires_in = self._access_tokens.issue(
            session.user_id, session.id, moment, session.expires_at, signed_in_at=session.created_at
        )
        return Signed(session.user_id, session.id, access_token, expires_in, refresh_token, expires_at)
