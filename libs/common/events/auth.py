"""What auth publishes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.common.events.base import Code, Event


class UserRegisteredV1(Event, topic="user.registered", subject="user_id"):
    """Somebody opened an account.

    Consumers: auth.send-mail, billing.open-account.
    """

    user_id: UUID
    registered_at: datetime
    terms_version: Code
    policy_version: Code


class MailRequestedV1(Event, topic="mail.requested", subject="user_id"):
    """A mail is due to somebody: a new verification token, or news about the account's safety.

    `registration_id` says which registration a verification is for; without it, the account's first.

    Consumers: auth.send-mail.
    """

    user_id: UUID
    kind: Literal["verification", "address-known", "password-changed"]
    registration_id: UUID | None = None


class UserVerifiedV1(Event, topic="user.verified", subject="user_id"):
    """Somebody proved that the e-mail address is theirs.

    Consumers: billing.grant-welcome-credits.
    """

    user_id: UUID


class SessionRevokedV1(Event, topic="session.revoked", subject="user_id"):
    """A session ended before its time; its access tokens are worth nothing any more.

    Consumers: every API process, into its list of revoked sessions.
    """

    user_id: UUID
    session_id: UUID
    reason: Code


class UserDeletedV1(Event, topic="user.deleted", subject="user_id", fenced=False):
    """Somebody deleted their account: it is closed, and the erasure begins.

    Consumers: privacy.open-case; every API process, into its list of closed accounts.
    """

    user_id: UUID
    case_id: UUID
    deleted_at: datetime
