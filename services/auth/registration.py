"""Opening an account, and proving that the address is one's own.

Nothing here tells whether an address is known: status, body and time are the same, and a username asked for in
vain is held as long as it would be if an account had been opened.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import SecretStr

from libs.common.clock import new_id, now
from libs.common.errors import SubjectErased, Unavailable
from libs.common.events.auth import MailRequestedV1, UserRegisteredV1, UserVerifiedV1
from libs.common.work import UnitOfWork
from services.auth.errors import AddressTaken, TermsOutdated, VerificationInvalid
from services.auth.metrics import REGISTRATIONS, VERIFICATIONS
from services.auth.models import Acceptance, Language, Status, Theme, User, UsernameClaim
from services.auth.passwords import Passwords
from services.auth.repository import Store
from services.auth.settings import AuthSettings
from services.auth.throttling import Gates
from services.auth.tokens import hash_of

RACES = 3


@dataclass(frozen=True)
class Applicant:
    """What somebody registers with. Personal: all of it."""

    email: str = field(repr=False)
    username: str = field(repr=False)
    password: SecretStr
    terms_version: str
    policy_version: str
    language: Language
    theme: Theme

    @property
    def email_key(self) -> str:
        """Return the form of the address that is unique."""
        return key_of(self.email)

    @property
    def username_key(self) -> str:
        """Return the form of the username that is unique."""
        return key_of(self.username)


class Registration:
    """Opens accounts and verifies their addresses."""

    def __init__(
        self, settings: AuthSettings, store: Store, work: UnitOfWork, passwords: Passwords, gates: Gates
    ) -> None:
        self._settings, self._store, self._work = settings, store, work
        self._passwords, self._gates = passwords, gates

    async def register(self, applicant: Applicant) -> None:
        """Open an account, or tell the person by mail that there is one already; the caller cannot tell which.

        A registration of an address that nobody has verified yet replaces the earlier one: whoever registered
        first with somebody else's address gains nothing.

        Raises:   TermsOutdated (409), WeakPassword (422), UsernameTaken (409).
        Effects:  an account, its acceptances and user.registered; or mail.requested.
        """
        async with self._evenly():
            self._require_current_terms(applicant)
            about = (applicant.username, applicant.email, *applicant.email.split("@"))
            await self._passwords.accept(applicant.password, about=about)
            password_hash = await self._passwords.hash(applicant.password)
            outcome = await self._settle(applicant, password_hash)
        REGISTRATIONS.labels(outcome).inc()

    async def resend(self, email: str) -> None:
        """Mail a new verification token where the address is known and not verified yet; nobody can tell.

        Effects:  mail.requested.
        """
        async with self._evenly():
            user = await self._store.users.by_email(key_of(email))
            if user is not None and user.status is Status.UNVERIFIED and await self._gates.mail(user.id):
                await self._ask_for_mail(user.id, "verification")

    async def verify(self, token: str) -> None:
        """Take a token that was mailed as the proof that the address is the person's.

        Raises:   VerificationInvalid (422): unknown, used, expired, or of an earlier registration.
        Effects:  the account is active, its tokens are void; user.verified.
        """
        found = await self._store.verification_tokens.find(hash_of(token), now())
        if found is None:
            VERIFICATIONS.labels("invalid").inc()
            raise VerificationInvalid
        await self._work.run(lambda: self._verify(found.user_id, found.registration), subject=found.user_id)
        VERIFICATIONS.labels("verified").inc()

    async def _settle(self, applicant: Applicant, password_hash: str) -> str:
        """Open an account or answer for the one that is there, whatever others do at the same time."""
        for _ in range(RACES):
            known = await self._store.users.by_email(applicant.email_key)
            try:
                if known is None:
                    await self._open(applicant, password_hash)
                    return "opened"
                return await self._answer_for(known, applicant, password_hash)
            except (AddressTaken, SubjectErased):  # somebody was faster: look again
                continue
        raise Unavailable

    async def _open(self, applicant: Applicant, password_hash: str) -> None:
        user = User(
            id=new_id(),
            email=applicant.email,
            email_key=applicant.email_key,
            password_hash=password_hash,
            username=applicant.username,
            username_key=applicant.username_key,
            language=applicant.language,
            theme=applicant.theme,
            created_at=now(),
        )

        async def write() -> None:
            await self._claim(user.id, applicant, user.created_at)
            await self._store.users.add(user)
            await self._store.acceptances.add(*_acceptances(user.id, applicant, user.created_at))
            await self._work.outbox.add(
                UserRegisteredV1(
                    user_id=user.id,
                    registered_at=user.created_at,
                    terms_version=applicant.terms_version,
                    policy_version=applicant.policy_version,
                )
            )

        await self._work.run(write, subject=user.id)

    async def _answer_for(self, known: User, applicant: Applicant, password_hash: str) -> str:
        """Tell the owner of the address by mail; an account that nobody verified takes the new registration over."""
        moment = now()
        pending = known.status is Status.UNVERIFIED
        may_mail = await self._gates.mail(known.id)

        async def write() -> None:
            held_until = None if pending else moment + self._settings.unverified_lifetime
            await self._claim(known.id, applicant, moment, held_until)
            if pending:
                await self._replace(known.id, applicant, password_hash, moment)
            if may_mail:
                kind: Literal["verification", "address-known"] = (
                    "verification" if pending else "address-known"
                )
                await self._work.outbox.add(MailRequestedV1(user_id=known.id, kind=kind))

        await self._work.run(write, subject=known.id)
        return "replaced" if pending else "known"

    async def _replace(
        self, user_id: UUID, applicant: Applicant, password_hash: str, moment: datetime
    ) -> None:
        until = moment + self._settings.unverified_lifetime
        await self._store.usernames.hold_others(user_id, applicant.username_key, until)
        replaced = await self._store.users.change(
            user_id,
            only=Status.UNVERIFIED,
            password_hash=password_hash,
            username=applicant.username,
            username_key=applicant.username_key,
            language=applicant.language,
            theme=applicant.theme,
            created_at=moment,
        )
        if not replaced:  # it was verified a moment ago
            raise AddressTaken
        await self._store.acceptances.add(*_acceptances(user_id, applicant, moment))

    async def _claim(
        self, user_id: UUID, applicant: Applicant, moment: datetime, held_until: datetime | None = None
    ) -> None:
        claim = UsernameClaim(
            id=applicant.username_key, user_id=user_id, created_at=moment, held_until=held_until
        )
        await self._store.usernames.claim(claim)

    async def _verify(self, user_id: UUID, registration: datetime) -> None:
        user = await self._store.users.get(user_id)
        if user is None or user.status is not Status.UNVERIFIED or user.created_at != registration:
            raise VerificationInvalid
        await self._store.users.change(
            user_id, only=Status.UNVERIFIED, status=Status.ACTIVE, verified_at=now()
        )
        await self._store.usernames.confirm(user_id, user.username_key)
        await self._store.verification_tokens.remove_all(user_id)
        await self._work.outbox.add(UserVerifiedV1(user_id=user_id))

    async def _ask_for_mail(self, user_id: UUID, kind: Literal["verification"]) -> None:
        async def write() -> None:
            await self._work.outbox.add(MailRequestedV1(user_id=user_id, kind=kind))

        try:
            await self._work.run(write, subject=user_id)
        except SubjectErased:  # there is nobody left to write to, and the caller is not told
            return

    def _require_current_terms(self, applicant: Applicant) -> None:
        current = (self._settings.terms_version, self._settings.policy_version)
        if (applicant.terms_version, applicant.policy_version) != current:
            raise TermsOutdated(terms_version=current[0], policy_version=current[1])

    @asynccontextmanager
    async def _evenly(self) -> AsyncIterator[None]:
        """Let the block end no sooner than the floor, so that its time does not tell what it found."""
        loop = asyncio.get_running_loop()
        earliest = loop.time() + self._settings.answer_floor_s
        try:
            yield
        finally:
            await asyncio.sleep(max(0.0, earliest - loop.time()))


def key_of(text: str) -> str:
    """Return the form of an address or a username that is compared and unique."""
    return text.strip().casefold()


def _acceptances(user_id: UUID, applicant: Applicant, moment: datetime) -> list[Acceptance]:
    versions: list[tuple[Literal["terms", "policy", "adult"], str]] = [
        ("terms", applicant.terms_version),
        ("policy", applicant.policy_version),
        ("adult", applicant.terms_version),
    ]
    return [
        Acceptance(
            id=new_id(),
            user_id=user_id,
            document=what,
            version=version,
            source="registration",
            created_at=moment,
        )
        for what, version in versions
    ]
