"""Operators: who may act on the platform itself, and a record of each time somebody came in (ADR 0022)."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pydantic import SecretStr

from libs.common.audit import SYSTEM, Audit, staff_actor
from libs.common.client import Client
from libs.common.clock import new_id, now
from libs.common.events.auth import SessionRevokedV1
from libs.common.identity import STAFF
from libs.common.work import UnitOfWork
from services.auth.errors import (
    OwnStaffAccount,
    PersonNotFound,
    StaffNameTaken,
    StaffNotFound,
    WrongStaffCredentials,
)
from services.auth.evenly import evenly
from services.auth.metrics import STAFF_SIGN_INS
from services.auth.models import Status
from services.auth.passwords import Passwords
from services.auth.registration import key_of
from services.auth.repository import Store
from services.auth.settings import AuthSettings
from services.auth.staff_models import StaffAccount, StaffSession
from services.auth.throttling import Gates
from services.auth.tokens import AccessTokens


@dataclass(frozen=True)
class StaffSigned:
    """What an operator's tool gets: one token, and nothing to renew it with."""

    session_id: UUID
    access_token: str
    expires_in: int


class StaffKeeper:
    """Makes, disables and signs in staff accounts. All of it is audited, in the transaction that does it."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: Store,
        work: UnitOfWork,
        audit: Audit,
        passwords: Passwords,
        gates: Gates,
        access_tokens: AccessTokens,
    ) -> None:
        self._settings, self._store, self._work, self._audit = settings, store, work, audit
        self._passwords, self._gates, self._access_tokens = passwords, gates, access_tokens

    async def ensure_first(self) -> None:
        """Make the account that the settings name, unless there is an account already.

        Raises:   WeakPassword: the process does not start with a password that is easy to guess.
        """
        password = self._settings.staff_password
        if password is None or await self._store.staff.any():
            return
        with suppress(StaffNameTaken):  # another process was faster
            await self.add(self._settings.staff_name, password, actor=SYSTEM, ground="first-account")

    async def add(self, name: str, password: SecretStr, *, actor: str, ground: str) -> StaffAccount:
        """Make an operator's account.

        Args:     actor, ground: who makes it and why, for the audit ledger.
        Raises:   WeakPassword (422), StaffNameTaken (409).
        Effects:  audit: staff.added.
        """
        await self._passwords.accept(password, about=(name,))
        account = StaffAccount(
            id=new_id(),
            name=name,
            name_key=key_of(name),
            password_hash=await self._passwords.hash(password),
            created_at=now(),
        )

        async def write() -> None:
            await self._store.staff.add(account)
            await self._audit.record("staff.added", actor=actor, ground=ground, target=str(account.id))

        await self._work.run(write)
        return account

    async def page(self, after: UUID | None, limit: int) -> list[StaffAccount]:
        """Return accounts, disabled ones too, the oldest first."""
        return await self._store.staff.page(after, limit)

    async def disable(self, staff_id: UUID, *, by: UUID) -> None:
        """Shut an operator out for good.

        Raises:   StaffNotFound (404): there is none, or it is disabled.  OwnStaffAccount (409).
        Effects:  session.revoked for each of the operator's sessions; audit: staff.disabled.
        """

        if staff_id == by:
            raise OwnStaffAccount

        async def write() -> None:
            if not await self._store.staff.change(staff_id, disabled_at=now()):
                raise StaffNotFound
            await self._end(staff_id, await self._store.staff_sessions.live_ids(staff_id, now()), "disabled")
            await self._audit.record(
                "staff.disabled", actor=staff_actor(by), ground="by-staff", target=str(staff_id)
            )

        await self._work.run(write)

    async def look_up(self, login: str, *, by: UUID) -> UUID:
        """Return the opaque id of the account of an address or a username, for an operator who checks a request.

        Raises:   PersonNotFound (404).
        Effects:  person.looked-up, in the audit ledger.
        """
        key, users = key_of(login), self._store.users
        known = await (users.by_email(key) if "@" in key else users.by_username(key))
        if known is None or known.status is Status.UNVERIFIED:
            raise PersonNotFound
        actor, person = staff_actor(by), known.id
        await self._work.run(
            lambda: self._audit.record("person.looked-up", actor=actor, ground="by-staff", subject=person)
        )
        return person

    async def sign_in(self, name: str, password: SecretStr, client: Client) -> StaffSigned:
        """Open a session for an operator who knows the password.

        Raises:   WrongStaffCredentials (401), after the same time for unknown, disabled and working accounts;
                  TooMany (429).
        """
        async with evenly(self._settings.answer_floor_s):
            account = await self._store.staff.by_name(key_of(name))
            gate = await self._gates.staff(key_of(name), client.network)
            right = await self._passwords.verify(account.password_hash if account else None, password)
            if account is None or not right or account.disabled_at is not None:
                raise await self._refused(account, "disabled" if right else "wrong-password")
            signed = await self._work.run(lambda: self._open(account))
            await self._gates.clear(gate)
            STAFF_SIGN_INS.labels("signed_in").inc()
            return signed

    async def sign_out(self, staff_id: UUID, session_id: UUID) -> None:
        """End an operator's session.

        Effects:  session.revoked: its token is refused everywhere; audit: staff.signed-out.
        """

        async def write() -> None:
            await self._end(staff_id, [session_id], "signed-out")
            await self._audit.record(
                "staff.signed-out", actor=staff_actor(staff_id), ground="by-staff", target=str(session_id)
            )

        await self._work.run(write)

    async def _open(self, account: StaffAccount) -> StaffSigned:
        """Store the session and sign its token, in an open transaction."""
        moment = now()
        if not await self._store.staff.change(account.id, signed_in_at=moment):
            raise WrongStaffCredentials  # disabled a moment ago
        until = moment + timedelta(seconds=self._settings.access_token_ttl_s)
        session = StaffSession(id=new_id(), user_id=account.id, expires_at=until)
        await self._store.staff_sessions.add(session)
        await self._audit.record(
            "staff.signed-in", actor=staff_actor(account.id), ground="password", target=str(session.id)
        )
        token, expires_in = self._access_tokens.issue(account.id, session.id, moment, until, (STAFF,))
        return StaffSigned(session.id, token, expires_in)

    async def _refused(self, account: StaffAccount | None, ground: str) -> WrongStaffCredentials:
        """Record a refusal where there is an account; what names nobody is only counted, or it fills the ledger."""
        STAFF_SIGN_INS.labels("wrong").inc()
        if account is not None:
            actor = staff_actor(account.id)
            await self._work.run(lambda: self._audit.record("staff.refused", actor=actor, ground=ground))
        return WrongStaffCredentials()

    async def _end(self, staff_id: UUID, ids: list[UUID], reason: str) -> None:
        await self._store.staff_sessions.remove(staff_id, ids)
        await self._work.outbox.add(
            *(SessionRevokedV1(user_id=staff_id, session_id=each, reason=reason) for each in ids)
        )
