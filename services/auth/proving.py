"""Proving who asks without signing in: a one-time code to the account's address, and what privacy believes then.

Nothing here tells whether an address has an account: a challenge is answered for any, in like time, and a wrong code
is answered as an unknown challenge is.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from libs.common.client import Client
from libs.common.clock import new_id, now
from libs.common.errors import SubjectErased
from libs.common.events.auth import MailRequestedV2
from libs.common.pacing import Pacing
from libs.common.work import UnitOfWork
from services.auth.errors import CodeInvalid
from services.auth.evenly import evenly
from services.auth.mails import Kind
from services.auth.metrics import IDENTITY_PROOFS
from services.auth.models import Status
from services.auth.registration import key_of
from services.auth.repository import Store
from services.auth.session_models import IdentityCode
from services.auth.settings import AuthSettings
from services.auth.throttling import Gates
from services.auth.tokens import AccessTokens

CODE_DIGITS = 8
MOST_TRIES = 5
"""At a code. With the pace of codes, some 150 guesses a day at one of 10^8. Source: NIST SP 800-63B, 3.1.3.2."""
CAN_PROVE = (Status.ACTIVE, Status.HIDDEN)
"""Who deleted the account and can still come back is asking about their own data, too."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What privacy believes. Args: token: `identity+jwt`; expires_in: seconds."""

    token: str = field(repr=False)
    expires_in: int


class Proving:
    """Mails codes and takes them back."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: Store,
        work: UnitOfWork,
        gates: Gates,
        pacing: Pacing,
        tokens: AccessTokens,
    ) -> None:
        self._settings, self._store, self._work = settings, store, work
        self._gates, self._pacing, self._tokens = gates, pacing, tokens

    @property
    def minutes(self) -> int:
        """Return how long a code works."""
        return int(self._settings.identity_code_lifetime.total_seconds() // 60)

    async def ask(self, email: str, client: Client) -> UUID:
        """Have a code mailed to an address where it has a verified account; return the challenge, for any address.

        Raises:   TooMany (429), for known and unknown addresses alike.
        Effects:  a challenge and mail.requested, where there is an account.
        """
        challenge_id = new_id()
        async with evenly(self._settings.answer_floor_s):
            known = await self._store.users.by_email(email)
            await self._gates.code(known.id if known else None, key_of(email), client.network)
            if known is not None and known.status in CAN_PROVE:
                await self._begin(known.id, challenge_id)
        return challenge_id

    async def prove(self, challenge_id: UUID, code: str) -> Proof:
        """Take a code that was mailed as the proof of who asks. It works once.

        Raises:   CodeInvalid (422): wrong, used, expired, tried too often, or never mailed: nobody is told which.
        """
        async with evenly(self._settings.answer_floor_s):
            user_id = await self._proven(challenge_id, code)
        IDENTITY_PROOFS.labels("proven" if user_id else "wrong").inc()
        if user_id is None:
            raise CodeInvalid
        return Proof(*self._tokens.identity_proof(user_id, now()))

    async def new_code(self, user_id: UUID, challenge_id: UUID) -> str | None:
        """Make the code of a challenge that is about to be mailed; None where it has expired."""
        if await self._store.identity_codes.get(challenge_id, now()) is None:
            return None
        code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
        kept = self._hash(challenge_id, code)
        note = self._store.identity_codes.note_code
        await self._work.run(lambda: note(user_id, challenge_id, kept), subject=user_id)
        return code

    async def _begin(self, user_id: UUID, challenge_id: UUID) -> None:
        moment = now()
        challenge = IdentityCode(
            id=challenge_id,
            user_id=user_id,
            created_at=moment,
            expires_at=moment + self._settings.identity_code_lifetime,
        )
        mail = MailRequestedV2(user_id=user_id, kind=Kind.IDENTITY_CODE, challenge_id=challenge_id)

        async def write() -> None:
            await self._store.identity_codes.add(challenge)
            await self._work.outbox.add(mail)

        try:
            await self._work.run(write, subject=user_id)
        except SubjectErased:  # closed a moment ago: the caller is not told
            return

    async def _proven(self, challenge_id: UUID, code: str) -> UUID | None:
        challenge = await self._store.identity_codes.get(challenge_id, now())
        if challenge is None:
            return None
        user_id = challenge.user_id
        try:
            right = await self._work.run(lambda: self._is_right(user_id, challenge_id, code), subject=user_id)
        except SubjectErased:
            return None
        return user_id if right else None

    async def _is_right(self, user_id: UUID, challenge_id: UUID, code: str) -> bool:
        """Count the try before it is looked at, so that parallel guesses are all counted; in an open transaction."""
        kept = await self._store.identity_codes.count_try(user_id, challenge_id, now(), MOST_TRIES)
        if kept is None or not hmac.compare_digest(kept, self._hash(challenge_id, code)):
            return False
        await self._store.identity_codes.remove_all(user_id)
        return True

    def _hash(self, challenge_id: UUID, code: str) -> str:
        return self._pacing.key("identity-code", str(challenge_id), code)
