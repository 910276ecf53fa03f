"""Opening an account, and proving that the address is one's own.

Nothing here tells whether an address is known: status, body and time are the same, and a username asked for in
vain is held as long as it would be if an account had been opened.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import NAMESPACE_OID, UUID, uuid5

from pydantic import SecretStr

from libs.common.blind_index import normalised
from libs.common.clock import new_id, now
from libs.common.errors import SubjectErased, TooMany, Unavailable
from libs.common.events.auth import MailRequestedV2, UserRegisteredV1, UserVerifiedV1
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.privacy.purposes import Decision
from libs.common.secret_tokens import hash_of
from libs.common.work import UnitOfWork
from services.auth.agreement_models import Acceptance
from services.auth.agreements import Agreements, InForce
from services.auth.consenting import Consenting
from services.auth.errors import AddressTaken, UsernameTaken, VerificationInvalid
from services.auth.evenly import evenly
from services.auth.metrics import REGISTRATIONS, VERIFICATIONS
from services.auth.models import Language, PendingRegistration, Status, Theme, User, UsernameClaim
from services.auth.notifying import Notifying
from services.auth.passwords import Passwords
from services.auth.repository import Store
from services.auth.rows.users import Known
from services.auth.settings import AuthSettings
from services.auth.throttling import Gates

RACES = 3
MOST_NAMES = 5
"""So many names are held for an unverified address, or asked for in vain at a known one; further ones stay free."""


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
    consents: tuple[ChosenPurpose, ...] = ()


class Registration:
    """Opens accounts and verifies their addresses."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: Store,
        work: UnitOfWork,
        passwords: Passwords,
        gates: Gates,
        agreements: Agreements,
        consenting: Consenting,
        notifying: Notifying,
    ) -> None:
        self._settings, self._store, self._work = settings, store, work
        self._passwords, self._gates = passwords, gates
        self._agreements, self._consenting, self._notifying = agreements, consenting, notifying

    async def register(self, applicant: Applicant) -> None:
        """Open an account, or tell the person by mail that there is one already; the caller cannot tell which.

        Of an address that was a minor's nothing is kept, and no mail goes out; the caller cannot tell that either.

        A registration of an address that nobody has verified yet stands beside the earlier ones: each is mailed a
        link that activates what it asked for and nothing that a stranger typed, before or after.

        Raises:   TermsOutdated (409), WeakPassword (422), UsernameTaken (409); TooMany (429): the address was
                  registered too often lately, nothing is stored and no mail goes out.
        Effects:  an account and user.registered; or mail.requested. A registration with its acceptances.
        """
        async with evenly(self._settings.answer_floor_s):
            await self._require_current_terms(applicant)
            about = (applicant.username, applicant.email, *applicant.email.split("@"))
            await self._passwords.accept(applicant.password, about=about)
            password_hash = await self._passwords.hash(applicant.password)
            outcome = await self._settle(applicant, password_hash)
        REGISTRATIONS.labels(outcome).inc()

    async def resend(self, email: str) -> None:
        """Mail a new verification token where one registration of the address waits for it; nobody can tell.

        Where several wait it is not known whose is asked for, and a stranger's must not be sent in its place.

        Effects:  mail.requested.
        """
        async with evenly(self._settings.answer_floor_s):
            user = await self._store.users.by_email(email)
            user_id = user.id if user else None
            with suppress(TooMany, SubjectErased):  # the caller is not told
                await self._gates.mail(user_id, key_of(email))
                if user_id is not None and (waiting := await self._store.registrations.only_one(user_id)):
                    await self._work.run(lambda: self._ask_for_token(waiting), subject=user_id)

    async def verify(self, token: str) -> None:
        """Take a token that was mailed as the proof that the address is the person's.

        Raises:   VerificationInvalid (422): unknown, used, expired, or the address was verified otherwise.
        Effects:  the account is active with what the token's registration asked for, all other registrations and
                  tokens of the address are void; user.verified.
        """
        found = await self._store.verification_tokens.find(hash_of(token), now())
        if found is None:
            VERIFICATIONS.labels("invalid").inc()
            raise VerificationInvalid
        await self._work.run(
            lambda: self._verify(found.user_id, found.registration_id), subject=found.user_id
        )
        VERIFICATIONS.labels("verified").inc()

    async def _settle(self, applicant: Applicant, password_hash: str) -> str:
        """Open an account or answer for the one that is there, whatever others do at the same time."""
        known = await self._store.users.by_email(applicant.email)
        await self._gates.mail(known.id if known else None, key_of(applicant.email))
        if await self._store.refused_addresses.has(applicant.email, now()):
            await self._hold_name_of_nobody(applicant)
            return "refused"
        for _ in range(RACES):
            try:
                if known is None:
                    await self._open(applicant, password_hash)
                    return "opened"
                return await self._answer_for(known, applicant, password_hash)
            except (AddressTaken, SubjectErased):  # somebody was faster: look again
                known = await self._store.users.by_email(applicant.email)
        raise Unavailable

    async def _hold_name_of_nobody(self, applicant: Applicant) -> None:
        """Hold the name as long as an unverified account would: its being free would tell that nothing was opened."""
        nobody = uuid5(NAMESPACE_OID, self._store.look_ups.refused(applicant.email))
        moment = now()
        held_until = moment + self._settings.unverified_lifetime
        await self._work.run(lambda: self._claim(nobody, applicant, moment, held_until))

    async def _open(self, applicant: Applicant, password_hash: str) -> None:
        user_id, moment = new_id(), now()
        registration = self._typed(user_id, user_id, applicant, password_hash, moment)
        email_key = self._store.look_ups.email(applicant.email)
        user = User(id=user_id, email_key=email_key, **registration.asked_for())

        async def write() -> None:
            await self._claim(user_id, applicant, moment, None)
            await self._store.users.add(user)
            await self._keep(registration, applicant)
            await self._work.outbox.add(
                UserRegisteredV1(
                    user_id=user_id,
                    registered_at=moment,
                    terms_version=applicant.terms_version,
                    policy_version=applicant.policy_version,
                )
            )

        await self._work.run(write, subject=user_id)

    async def _answer_for(self, known: Known, applicant: Applicant, password_hash: str) -> str:
        """Keep one more registration of an unverified address; tell the owner of a verified one by mail."""
        moment, username_key = now(), self._store.look_ups.username(applicant.username)
        pending = known.status is Status.UNVERIFIED

        async def write() -> None:
            own = pending and username_key == known.username_key  # as long as the account is there
            held_until = None if own else moment + self._settings.unverified_lifetime
            await self._claim(known.id, applicant, moment, held_until)
            if pending:
                another = self._typed(new_id(), known.id, applicant, password_hash, moment)
                await self._add_another(another, applicant)
            else:
                await self._work.outbox.add(MailRequestedV2(user_id=known.id, kind="address-known"))

        await self._work.run(write, subject=known.id)
        return "another" if pending else "known"

    async def _add_another(self, registration: PendingRegistration, applicant: Applicant) -> None:
        """Keep a registration beside the earlier ones; the account waits for it as long as for a first one."""
        user_id, moment = registration.user_id, registration.created_at
        if not await self._store.users.change(user_id, only=Status.UNVERIFIED, created_at=moment):
            raise AddressTaken  # it was verified a moment ago
        await self._keep(registration, applicant)
        await self._ask_for_token(registration)

    async def _keep(self, registration: PendingRegistration, applicant: Applicant) -> None:
        await self._store.registrations.add(registration)
        await self._store.acceptances.add(
            *_acceptances(registration.user_id, applicant, registration.created_at)
        )

    def _typed(
        self, registration_id: UUID, user_id: UUID, applicant: Applicant, password_hash: str, moment: datetime
    ) -> PendingRegistration:
        return PendingRegistration(
            id=registration_id,
            user_id=user_id,
            email=applicant.email,
            username=applicant.username,
            username_key=self._store.look_ups.username(applicant.username),
            password_hash=password_hash,
            language=applicant.language,
            theme=applicant.theme,
            consents=list(applicant.consents),
            policy_version=applicant.policy_version,
            created_at=moment,
            expires_at=moment + self._settings.unverified_lifetime,
        )

    async def _claim(
        self, user_id: UUID, applicant: Applicant, moment: datetime, held_until: datetime | None
    ) -> None:
        name = self._store.look_ups.username(applicant.username)
        claim = UsernameClaim(id=name, user_id=user_id, created_at=moment, held_until=held_until)
        await self._store.usernames.claim(claim, at_most=MOST_NAMES)

    async def _verify(self, user_id: UUID, registration_id: UUID) -> None:
        user = await self._store.users.get(user_id)
        registration = await self._store.registrations.get(user_id, registration_id)
        if user is None or user.status is not Status.UNVERIFIED or registration is None:
            raise VerificationInvalid
        moment = now()
        await self._take_name(registration, moment)
        verified = {**registration.asked_for(), "status": Status.ACTIVE, "verified_at": moment}
        await self._store.users.change(user_id, only=Status.UNVERIFIED, **verified)
        await self._store.registrations.remove_all(user_id)
        await self._store.verification_tokens.remove_all(user_id)
        await self._consenting.enter(
            user_id, registration.consents, Decision.GIVEN, registration.policy_version, "registration"
        )
        await self._notifying.tell_missed(user_id)
        await self._work.outbox.add(UserVerifiedV1(user_id=user_id))

    async def _take_name(self, registration: PendingRegistration, moment: datetime) -> None:
        """Make a registration's name the account's for good, and let the others run out that were asked for."""
        name, user_id = registration.username_key, registration.user_id
        try:
            await self._store.usernames.claim(
                UsernameClaim(id=name, user_id=user_id, firm=True, created_at=moment)
            )
        except UsernameTaken as error:  # it was one too many to be held, and another took it
            raise VerificationInvalid from error
        await self._store.usernames.hold_others(user_id, name, moment + self._settings.unverified_lifetime)

    async def _ask_for_token(self, registration: PendingRegistration) -> None:
        await self._work.outbox.add(
            MailRequestedV2(
                user_id=registration.user_id, kind="verification", registration_id=registration.id
            )
        )

    async def _require_current_terms(self, applicant: Applicant) -> None:
        in_force = await self._agreements.in_force()
        if InForce(applicant.terms_version, applicant.policy_version) != in_force:
            raise in_force.outdated()


def key_of(text: str) -> str:
    """Return the form of an address or a username that is compared."""
    return normalised(text)


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
