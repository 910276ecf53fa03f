"""Mails to people: what is due is written in their language and handed to the mail server."""

from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.clock import now
from libs.common.mailing.postman import Postman
from libs.common.mailing.request_news import News, request_news
from libs.common.secret_tokens import new_secret
from libs.common.work import UnitOfWork
from services.auth import mails
from services.auth.agreement_models import AcceptedDocument
from services.auth.mails import Kind
from services.auth.models import PendingRegistration, Status, VerificationToken
from services.auth.proving import Proving
from services.auth.repository import Store
from services.auth.settings import AuthSettings


class Mailing:
    """Sends the mails of accounts."""

    def __init__(
        self, settings: AuthSettings, store: Store, work: UnitOfWork, postman: Postman, proving: Proving
    ) -> None:
        self._store, self._work, self._postman, self._proving = store, work, postman, proving
        self._public_url, self._token_lifetime = settings.public_url, settings.verification_lifetime

    async def send_news(self, user_id: UUID, due: Kind) -> None:
        """Send a person news about their account; nothing where they are not news any more, or it is closed.

        Raises:   Unavailable: retried.  MailRefused: dead letter.
        """
        user = await self._store.users.get(user_id)
        expected = Status.HIDDEN if due is Kind.ACCOUNT_HIDDEN else Status.ACTIVE
        if user is not None and user.status is expected:
            mail = mails.news(due, user.language, username=user.username, until=user.erased_from)
            await self._postman.send(user.email, mail, kind=due)

    async def send_policy_news(self, user_id: UUID, due: Kind, version: str, once: Once) -> None:
        """Send a person the news of a changed document; nothing where they cannot use their account, or have it.

        Raises:   Unavailable: retried.  MailRefused: dead letter.
        Effects:  the person's notice says when the mail left.
        """
        document: AcceptedDocument = "policy" if due is Kind.POLICY_CHANGED else "terms"
        user = await self._store.users.get(user_id)
        notice = await self._store.notices.not_mailed(user_id, document, version)
        if user is None or user.status is not Status.ACTIVE or notice is None:
            return
        link = f"{self._public_url}/api/privacy/v1/policies/{document}/{version}/{user.language}"
        mail = mails.policy_news(due, user.language, username=user.username, link=link)
        await self._postman.send(user.email, mail, kind=due)
        await once(lambda: self._store.notices.mark_mailed(user_id, notice.id, now()))

    async def send_token(self, user_id: UUID, registration_id: UUID, once: Once) -> None:
        """Send what verifies a registration to the address it was made with; nothing where it is not due any more.

        The token is made now and stored before the mail leaves, so that every mail that arrives holds a token that
        works, also after a crash and a second mail.

        Raises:   Unavailable: retried.  MailRefused: dead letter.
        """
        registration = await self._store.registrations.get(user_id, registration_id)
        if registration is None:
            return
        token, token_hash = await self._token_for(registration)
        mail = mails.verification(
            registration.language,
            registered_at=registration.created_at,
            public_url=self._public_url,
            token=token,
        )
        await self._postman.send(registration.email, mail, kind="verification")
        await once(lambda: self._store.verification_tokens.mark_sent(user_id, token_hash, now()))

    async def send_email_change(self, user_id: UUID) -> None:
        """Send what proves a new address to that address; nothing where no change is under way any more.

        Raises:   Unavailable: retried, with another token.  MailRefused: dead letter.
        """
        user, change = await self._store.users.get(user_id), await self._store.email_changes.get(user_id)
        if user is None or change is None or change.email is None:
            return
        token, token_hash = new_secret()
        await self._work.run(
            lambda: self._store.email_changes.note_token(user_id, token_hash), subject=user_id
        )
        mail = mails.email_change(user.language, public_url=self._public_url, token=token)
        await self._postman.send(change.email, mail, kind=Kind.EMAIL_CHANGE)

    async def send_email_changed(self, user_id: UUID, once: Once) -> None:
        """Tell the former address that it is an account's no more.

        Raises:   Unavailable: retried.  MailRefused: dead letter.
        Effects:  the former address is forgotten.
        """
        user, change = await self._store.users.get(user_id), await self._store.email_changes.get(user_id)
        if user is None or change is None or change.former is None:
            return
        mail = mails.news(Kind.EMAIL_CHANGED, user.language, username=user.username)
        await self._postman.send(change.former, mail, kind=Kind.EMAIL_CHANGED)
        await once(lambda: self._store.email_changes.note_told(user_id))

    async def send_identity_code(self, user_id: UUID, challenge_id: UUID) -> None:
        """Send a code that proves who asks; nothing where nobody waits for it any more.

        Raises:   Unavailable: retried, with another code.  MailRefused: dead letter.
        """
        user = await self._store.users.get(user_id)
        code = await self._proving.new_code(user_id, challenge_id) if user else None
        if user is not None and code is not None:
            mail = mails.identity_code(user.language, code=code, minutes=self._proving.minutes)
            await self._postman.send(user.email, mail, kind=Kind.IDENTITY_CODE)

    async def send_request_news(self, user_id: UUID, due: Kind, request_id: UUID) -> None:
        """Send a person news about a request of theirs, also while the account is hidden; nothing once it is closed.

        Raises:   Unavailable: retried.  MailRefused: dead letter.
        """
        user = await self._store.users.get(user_id)
        if user is None or user.status is Status.UNVERIFIED:
            return
        link = f"{self._public_url}/requests/{request_id}"
        mail = request_news(News(due.value), user.language.value, request_id=request_id, link=link)
        await self._postman.send(user.email, mail, kind=due)

    async def _token_for(self, registration: PendingRegistration) -> tuple[str, str]:
        token, token_hash = new_secret()
        moment = now()
        row = VerificationToken(
            id=token_hash,
            user_id=registration.user_id,
            registration_id=registration.id,
            created_at=moment,
            expires_at=moment + self._token_lifetime,
        )
        await self._work.run(lambda: self._store.verification_tokens.add(row), subject=registration.user_id)
        return token, token_hash
