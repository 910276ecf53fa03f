"""Mails to people: what is due is written in their language and handed to the mail server."""

from datetime import timedelta
from typing import Literal
from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.clock import now
from libs.common.work import UnitOfWork
from services.auth.mails import Kind, Mail, compose
from services.auth.models import Status, User, VerificationToken
from services.auth.repository import Store
from services.auth.smtp import Postman
from services.auth.tokens import new_secret

Due = Literal["verification", "address-known", "password-changed"]


class Mailing:
    """Sends the mails of accounts."""

    def __init__(
        self, store: Store, work: UnitOfWork, postman: Postman, public_url: str, token_lifetime: timedelta
    ) -> None:
        self._store, self._work, self._postman = store, work, postman
        self._public_url, self._token_lifetime = public_url, token_lifetime

    async def send(self, user_id: UUID, due: Due, once: Once) -> None:
        """Send one mail to a person; nothing where it is not due any more.

        The token of a verification mail is made now and stored before the mail leaves, so that every mail that
        arrives holds a token that works, also after a crash and a second mail.

        Raises:   Unavailable: retried.  MailRefused: dead letter.
        """
        user = await self._store.users.get(user_id)
        if user is None or (user.status is Status.UNVERIFIED) != (due == "verification"):
            return
        if due == "verification":
            await self._send_token(user, once)
        else:
            await self._postman.send(user.email, self._written(user, Kind(due)), kind=due)

    async def _send_token(self, user: User, once: Once) -> None:
        token, token_hash = new_secret()
        moment = now()
        row = VerificationToken(
            id=token_hash,
            user_id=user.id,
            registration=user.created_at,
            created_at=moment,
            expires_at=moment + self._token_lifetime,
        )
        await self._work.run(lambda: self._store.verification_tokens.add(row), subject=user.id)
        await self._postman.send(
            user.email, self._written(user, Kind.VERIFICATION, token), kind="verification"
        )
        await once(lambda: self._store.verification_tokens.mark_sent(user.id, token_hash, now()))

    def _written(self, user: User, kind: Kind, token: str = "") -> Mail:
        return compose(kind, user.language, username=user.username, public_url=self._public_url, token=token)
