"""Changing the e-mail address: it is the person's when they have proven that mail to it reaches them.

As at a registration, nothing here tells whether another account has an address.
"""

from uuid import UUID

from pydantic import SecretStr

from libs.common.clock import now
from libs.common.events.auth import MailRequestedV2
from libs.common.secret_tokens import hash_of
from libs.common.work import UnitOfWork
from services.auth.accounts import Accounts
from services.auth.errors import UsernameTaken, VerificationInvalid
from services.auth.evenly import evenly
from services.auth.leaving import Leaving
from services.auth.mails import Kind
from services.auth.models import EmailChange, Status, User
from services.auth.registration import key_of
from services.auth.repository import Store
from services.auth.rows.users import Known
from services.auth.settings import AuthSettings
from services.auth.throttling import Gates


class Readdressing:
    """Moves accounts to other addresses."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: Store,
        work: UnitOfWork,
        gates: Gates,
        accounts: Accounts,
        leaving: Leaving,
    ) -> None:
        self._settings, self._store, self._work = settings, store, work
        self._gates, self._accounts, self._leaving = gates, accounts, leaving

    async def ask(self, user_id: UUID, password: SecretStr, email: str) -> None:
        """Begin to change the address of a person who gave the password again.

        Where a verified account has the address its owner is told instead; of a refused one nothing is kept, and no
        mail goes out. The caller cannot tell.

        Raises:   WrongPassword (403), TooMany (429).
        Effects:  a change, which replaces an earlier one; mail.requested.
        """
        await self._accounts.proven(user_id, password)
        async with evenly(self._settings.answer_floor_s):
            known = await self._store.users.by_email(email)
            await self._gates.mail(known.id if known else None, key_of(email))
            if await self._store.refused_addresses.has(email, now()):
                return
            if known and _stands_in_the_way(known, user_id):
                told = MailRequestedV2(user_id=known.id, kind=Kind.ADDRESS_KNOWN)
                await self._work.run(lambda: self._work.outbox.add(told), subject=known.id)
                return
            await self._work.run(lambda: self._begin(user_id, email), subject=user_id)

    async def confirm(self, user_id: UUID, token: str) -> User:
        """Take the token that was mailed to the new address as the proof that it is the person's; return the account.

        Raises:   VerificationInvalid (422): unknown, used, expired, or another verified account has the address.
        Effects:  the account has the new address, an account that never verified it is closed; mail.requested, to
                  the former address.
        """
        await self._work.run(lambda: self._confirm(user_id, hash_of(token)), subject=user_id)
        return await self._accounts.get(user_id)

    async def _begin(self, user_id: UUID, email: str) -> None:
        moment = now()
        await self._store.email_changes.set(
            user_id,
            email=email,
            token_hash=None,
            created_at=moment,
            expires_at=moment + self._settings.verification_lifetime,
        )
        await self._work.outbox.add(MailRequestedV2(user_id=user_id, kind=Kind.EMAIL_CHANGE))

    async def _confirm(self, user_id: UUID, token_hash: str) -> None:
        user, change = await self._store.users.get(user_id), await self._store.email_changes.get(user_id)
        email = _proven(change, token_hash)
        if user is None or email is None:
            raise VerificationInvalid
        await self._make_way(user_id, email)
        key = self._store.look_ups.email(email)
        try:
            moved = await self._store.users.change(user_id, email=email, email_key=key, verified_at=now())
        except UsernameTaken as error:  # the unique key that is taken is the address: it came a moment ago
            raise VerificationInvalid from error
        if not moved:
            raise VerificationInvalid
        await self._store.email_changes.set(user_id, email=None, token_hash=None, former=user.email)
        await self._work.outbox.add(MailRequestedV2(user_id=user_id, kind=Kind.EMAIL_CHANGED))

    async def _make_way(self, user_id: UUID, email: str) -> None:
        """Close an account that has the address and never verified it: it was somebody else's try."""
        known = await self._store.users.by_email(email)
        if known is None or known.id == user_id:
            return
        other = await self._store.users.get(known.id)
        if other is None or _stands_in_the_way(known, user_id):
            raise VerificationInvalid
        await self._leaving.close_now(other)


def _stands_in_the_way(known: Known, user_id: UUID) -> bool:
    return known.id != user_id and known.status is not Status.UNVERIFIED


def _proven(change: EmailChange | None, token_hash: str) -> str | None:
    """Return the address that a token proves, None where it proves none."""
    if change is None or change.token_hash != token_hash or change.expires_at <= now():
        return None
    return change.email
