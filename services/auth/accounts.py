"""A person's account: the profile, the password, and the wish to end it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from libs.common import case_token
from libs.common.clock import now
from libs.common.errors import ProcessingRestricted, Unauthenticated
from libs.common.events.auth import MailRequestedV2
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.work import UnitOfWork
from services.auth.consenting import Consenting
from services.auth.errors import TooManyPreferences, WrongPassword
from services.auth.leaving import Leaving
from services.auth.models import Language, Preference, Status, Theme, User, UsernameClaim
from services.auth.passwords import Passwords
from services.auth.repository import Store
from services.auth.sessions import SessionKeeper
from services.auth.settings import AuthSettings
from services.auth.standing import Standing
from services.auth.throttling import Gates

MOST_PREFERENCES = 50


@dataclass(frozen=True)
class ProfileChange:
    """What a person changes of their profile; None leaves a field as it is. A preference of None is removed."""

    username: str | None = None
    language: Language | None = None
    theme: Theme | None = None
    preferences: dict[str, Preference | None] | None = None

    @property
    def is_of_taste(self) -> bool:
        """Tell whether it changes what is kept for personalisation."""
        return any(each is not None for each in (self.language, self.theme, self.preferences))


@dataclass(frozen=True)
class Deletion:
    """How a person follows the erasure of an account that they can no longer sign in to."""

    case_id: UUID
    case_token: str
    status_url: str
    erased_from: datetime


class Accounts:
    """Shows and changes accounts, and ends them for their people."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: Store,
        work: UnitOfWork,
        passwords: Passwords,
        gates: Gates,
        sessions: SessionKeeper,
        consenting: Consenting,
        leaving: Leaving,
        standing: Standing,
    ) -> None:
        self._settings, self._store, self._work = settings, store, work
        self._passwords, self._gates, self._sessions = passwords, gates, sessions
        self._consenting, self._leaving, self._standing = consenting, leaving, standing

    async def get(self, user_id: UUID) -> User:
        """Return the account of a signed-in person.

        Raises:   Unauthenticated (401): it was deleted since the token was signed.
        """
        user = await self._store.users.get(user_id)
        if user is None or user.status is Status.HIDDEN:
            raise Unauthenticated("this account is closed")
        return user

    async def change_profile(self, user_id: UUID, change: ProfileChange) -> User:
        """Change username, language, theme and preferences.

        Raises:   UsernameTaken (409), TooManyPreferences (422); ConsentNeeded (409): taste is kept by consent alone;
                  ProcessingRestricted (409): and not while the person restricts what is done with their data.
        """

        async def write() -> User:
            user = await self.get(user_id)
            if change.is_of_taste and user.restricted_at is not None:
                raise ProcessingRestricted
            if change.is_of_taste:
                await self._consenting.require(user_id, ChosenPurpose.PERSONALISATION)
            fields = {
                "language": change.language or user.language,
                "theme": change.theme or user.theme,
                "preferences": _merged(user.preferences, change.preferences or {}),
                **await self._renamed(user, change.username),
            }
            await self._store.users.change(user_id, **fields)
            return user.model_copy(update=fields)

        return await self._work.run(write, subject=user_id)

    async def restrict(self, user_id: UUID, *, restricted: bool) -> User:
        """Restrict the processing of a person's data, or lift it; return the account. Twice changes nothing.

        Raises:   Unauthenticated (401): the account is closed.
        Effects:  user.restricted or user.unrestricted, which every service follows.
        """
        turn = self._standing.restrict if restricted else self._standing.unrestrict
        await self._work.run(lambda: turn(user_id), subject=user_id)
        return await self.get(user_id)

    async def change_password(
        self, user_id: UUID, session_id: UUID, current: SecretStr, new: SecretStr
    ) -> None:
        """Replace the password and end every other session.

        Raises:   WrongPassword (403), WeakPassword (422), TooMany (429).
        Effects:  session.revoked for each other session; mail.requested.
        """
        user = await self.proven(user_id, current)
        await self._passwords.accept(new, about=(user.username, user.email, *user.email.split("@")))
        password_hash = await self._passwords.hash(new)

        async def write() -> None:
            changed: dict[str, Any] = {"password_hash": password_hash, "password_changed_at": now()}
            if not await self._store.users.change(
                user_id, having={"password_hash": user.password_hash}, **changed
            ):
                raise WrongPassword("the password was changed a moment ago")
            await self._sessions.end_all(user_id, "password-changed", but=session_id)
            await self._work.outbox.add(MailRequestedV2(user_id=user_id, kind="password-changed"))

        await self._work.run(write, subject=user_id)

    async def delete(self, user_id: UUID, password: SecretStr, *, at_once: bool) -> Deletion:
        """Delete the account of a person who gave the password again: hidden now, erased when the grace has ended.

        Args:     at_once: the person wants no time to come back.
        Raises:   WrongPassword (403), TooMany (429).
        Effects:  as of `Leaving.leave`.
        """
        user = await self.proven(user_id, password)
        farewell = await self._leaving.leave(user, at_once=at_once, reason="by-person")
        return Deletion(
            case_id=farewell.case_id,
            case_token=case_token.issue(self._settings.case_token_key, farewell.case_id),
            status_url=f"{self._settings.public_url}/api/privacy/v1/cases/{farewell.case_id}",
            erased_from=farewell.erased_from,
        )

    async def proven(self, user_id: UUID, password: SecretStr) -> User:
        """Return the account of a signed-in person who knows its password.

        Raises:   WrongPassword (403), TooMany (429).
        """
        user = await self.get(user_id)
        gate = await self._gates.password(user_id)
        if not await self._passwords.verify(user.password_hash, password):
            raise WrongPassword
        await self._gates.clear(gate)
        return user

    async def _renamed(self, user: User, username: str | None) -> dict[str, Any]:
        """Take a new name and give the old one free, in an open transaction; return the fields to set."""
        if username is None or username == user.username:
            return {}
        new_key = self._store.look_ups.username(username)
        if new_key != user.username_key:
            await self._store.usernames.claim(
                UsernameClaim(id=new_key, user_id=user.id, firm=True, created_at=now())
            )
            await self._store.usernames.release(user.id, user.username_key)
        return {"username": username, "username_key": new_key}


def _merged(present: dict[str, Preference], change: dict[str, Preference | None]) -> dict[str, Preference]:
    merged = {name: value for name, value in {**present, **change}.items() if value is not None}
    if len(merged) > MOST_PREFERENCES:
        raise TooManyPreferences(f"at most {MOST_PREFERENCES} preferences")
    return merged
