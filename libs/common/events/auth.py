"""What auth publishes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.common.events.base import Code, Event
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.privacy.purposes import Decision


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

    Its kinds are closed, so every new one would break its readers: nobody publishes it any more (V2).

    Consumers: auth.send-mail.
    """

    user_id: UUID
    kind: Literal["verification", "address-known", "password-changed"]
    registration_id: UUID | None = None


class MailRequestedV2(Event, topic="mail.requested", subject="user_id", version=2):
    """A mail is due to somebody who has an account.

    `kind` is one of those that `services.auth.mails` has texts for: a new one breaks no reader. `registration_id`
    says which registration a verification is for; without it, the account's first. `document_version` says which
    version of the policy or the terms is the news, `challenge_id` which challenge a code answers,
    `request_id` which request there is news of.

    Consumers: auth.send-mail.
    """

    user_id: UUID
    kind: Code
    registration_id: UUID | None = None
    document_version: Code | None = None
    challenge_id: UUID | None = None
    request_id: UUID | None = None


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


class ConsentChangedV1(Event, topic="consent.changed", subject="user_id"):
    """Somebody decided about a purpose: gave consent or withdrew it, objected or no longer does.

    `sequence` counts the person's decisions about the purpose: of two, the one with the higher number is the last
    word, whichever comes first. `policy_version` is the privacy policy that was in force.

    Consumers: gallery.follow-consents.
    """

    user_id: UUID
    purpose: ChosenPurpose
    state: Decision
    policy_version: Code
    sequence: int
    changed_at: datetime


class UserHiddenV1(Event, topic="user.hidden", subject="user_id"):
    """Somebody's account is closed until its erasure begins, or until they come back.

    `sequence` counts how often the account's standing changed: of this and `user.restored`, the one with the higher
    number is the last word, whichever comes first.

    Consumers: billing.follow-suspensions, gallery.follow-suspensions, generation.follow-suspensions.
    """

    user_id: UUID
    reason: Code
    erased_from: datetime
    hidden_at: datetime
    sequence: int


class UserRestoredV1(Event, topic="user.restored", subject="user_id"):
    """Somebody came back before the erasure began: everything is as it was.

    Consumers: billing.follow-suspensions, gallery.follow-suspensions, generation.follow-suspensions.
    """

    user_id: UUID
    sequence: int


class UserRestrictedV1(Event, topic="user.restricted", subject="user_id"):
    """Somebody restricted the processing of their data: it is kept, and not used (GDPR Art. 18).

    `sequence` says which of this and `user.unrestricted` is the last word.

    Consumers: billing.follow-suspensions, gallery.follow-suspensions, generation.follow-suspensions.
    """

    user_id: UUID
    sequence: int


class UserUnrestrictedV1(Event, topic="user.unrestricted", subject="user_id"):
    """Somebody lifted the restriction of their data's processing.

    Consumers: billing.follow-suspensions, gallery.follow-suspensions, generation.follow-suspensions.
    """

    user_id: UUID
    sequence: int


class UserDeletedV1(Event, topic="user.deleted", subject="user_id", fenced=False):
    """An account is closed for good, at once or at the end of the grace period, and the erasure begins.

    Consumers: privacy.open-case; every API process, into its list of closed accounts.
    """

    user_id: UUID
    case_id: UUID
    deleted_at: datetime
