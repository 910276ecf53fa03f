"""What auth stores, each field saying what it is."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index, Restored
from libs.common.privacy.annotations import (
    DAY,
    MONTH,
    QUARTER,
    Basis,
    BlindIndex,
    ChosenPurpose,
    Ends,
    Operational,
    Personal,
    Purpose,
    Retention,
    SealedAtRest,
    SubjectId,
)
from libs.common.privacy.purposes import Decision

ZERO = timedelta(0)
Preference = bool | int | float | str
AcceptedDocument = Literal["terms", "policy"]

Email = Personal("user.contact.email")
Username = Personal("user.account.username")
Settings = Personal(
    "user.account.settings",
    Purpose.PERSONALISATION,
    Basis.CONSENT,
    chosen=ChosenPurpose.PERSONALISATION,
)
Account = Personal("user.account")
PasswordHash = Personal("user.authorization.password", Purpose.SECURITY)
Tongue = Personal(
    "user.demographic.language",
    Purpose.PERSONALISATION,
    Basis.CONSENT,
    chosen=ChosenPurpose.PERSONALISATION,
)
Typed = Personal("user.account.settings")
"""What was chosen at a registration, for the mail that verifies it; the account has it by consent alone."""
Said = Personal("user.privacy_preferences", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION)
"""What a person accepted or decided. Source: GDPR Art. 5(2), 7(1): we have to be able to show it."""
Told = Personal(
    "user.privacy_preferences",
    Purpose.ACCOUNTABILITY,
    Basis.LEGAL_OBLIGATION,
    Retention("3 years, as long as somebody may ask whether they were told", timedelta(days=3 * 365)),
)
Device = Personal(
    "user.device",
    basis=Basis.LEGITIMATE_INTERESTS,
    retention=QUARTER,
    chosen=ChosenPurpose.SESSION_DEVICES,
)
Operator = Personal(
    "user.account.username",
    Purpose.SECURITY,
    Basis.LEGITIMATE_INTERESTS,
    Retention("as long as the audit ledger names the operator by their id", ends=Ends.PROOF),
)
IpAddress = Personal("user.device.ip_address", Purpose.SECURITY, Basis.LEGITIMATE_INTERESTS, MONTH)

EMAIL_INDEX = BlindIndex("auth.email")
USERNAME_INDEX = BlindIndex("auth.username")
NETWORK_INDEX = BlindIndex("auth.network")
REFUSED_INDEX = BlindIndex("auth.refused-address")

REFUSED_FOR = timedelta(days=5 * 365)
"""How long an address that was a minor's registers nothing."""


class Status(StrEnum):
    """Where an account is in its life."""

    UNVERIFIED = "unverified"
    ACTIVE = "active"
    HIDDEN = "hidden"
    DELETED = "deleted"


class Language(StrEnum):
    """The languages that mails are written in."""

    ENGLISH = "en"
    GERMAN = "de"
    RUSSIAN = "ru"


class Theme(StrEnum):
    """How the web app looks."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


NO_TASTE: Mapping[str, Any] = MappingProxyType(
    {"language": Language.ENGLISH, "theme": Theme.SYSTEM, "preferences": {}}
)
"""What an account has of its person's taste where they did not consent to its being kept."""


class User(Document):
    """An account. `email_key` and `username_key` are what the sealed ones are found by, and unique by.

    An unverified one is what the first registration asked for, until one of them is verified. A hidden one was
    deleted by its person, who can come back until `erased_from`; `case_id` is the case that its erasure will be. A
    deleted account gives its keys free at once; the row itself goes with the erasure. `standings` counts how often it
    was hidden, restored, restricted and unrestricted.
    """

    collection: ClassVar[str] = "users"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("email_key", 1),), unique=True),
        Index((("username_key", 1),), unique=True),
        Index((("status", 1), ("created_at", 1))),
        Index((("status", 1), ("erased_from", 1))),
    )

    sealed_for: ClassVar[str] = "_id"

    id: SubjectId = Field(alias="_id")
    email: Annotated[str, Email, SealedAtRest(erased="")]
    email_key: Annotated[str, Email, EMAIL_INDEX]
    username: Annotated[str, Username, SealedAtRest(erased="")]
    username_key: Annotated[str, Username, USERNAME_INDEX]
    password_hash: Annotated[str, PasswordHash]
    status: Operational[Status] = Status.UNVERIFIED
    language: Annotated[Language, Tongue] = Language.ENGLISH
    theme: Annotated[Theme, Settings] = Theme.SYSTEM
    preferences: Annotated[dict[str, Preference], Settings, SealedAtRest(erased={})] = Field(
        default_factory=dict
    )
    created_at: Annotated[datetime, Account]
    verified_at: Annotated[datetime | None, Account] = None
    password_changed_at: Annotated[datetime | None, Account] = None
    signed_in_at: Annotated[datetime | None, Account] = None
    decided_at: Annotated[datetime | None, Said] = None
    hidden_at: Annotated[datetime | None, Said] = None
    erased_from: Operational[datetime | None] = None
    case_id: Operational[UUID | None] = None
    restricted_at: Annotated[datetime | None, Said] = None
    standings: Operational[int] = 0


class EmailChange(Document):
    """The address that a person wants instead of theirs, and, once they have it, the former one until it is told.

    `token_hash` is of the token that was mailed to the new one last.
    """

    collection: ClassVar[str] = "email_changes"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("expires_at", 1),), expire_after=ZERO),)
    sealed_for: ClassVar[str] = "_id"

    id: SubjectId = Field(alias="_id")
    email: Annotated[str | None, Email, SealedAtRest()] = None
    former: Annotated[str | None, Email, SealedAtRest()] = None
    token_hash: Annotated[
        str | None, Personal("user.authorization.credentials", Purpose.SECURITY, retention=DAY)
    ] = None
    created_at: Operational[datetime]
    expires_at: Operational[datetime]


class RefusedAddress(Document):
    """That a verified address was a minor's: it registers nothing until `retained_until`.

    The key is a keyed hash of the address, made for this alone: it is found by nothing but the same address typed
    again, and links to no account. It stays beyond the erasure on purpose, and the person's certificate says so.
    """

    collection: ClassVar[str] = "refused_addresses"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("retained_until", 1),), expire_after=ZERO),)

    id: Operational[str] = Field(alias="_id")
    retained_until: Operational[datetime]


class UsernameClaim(Document):
    """A username that is spoken for, by its blind index.

    It is firm once its account is verified. One with `held_until` was asked for at a registration that opened no
    account: it is held as long as an unverified account would hold it, or the free name would tell that the
    address was known.
    """

    collection: ClassVar[str] = "usernames"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("held_until", 1),), expire_after=ZERO),
    )

    id: Annotated[str, Username, USERNAME_INDEX] = Field(alias="_id")
    user_id: SubjectId
    firm: Operational[bool] = False
    created_at: Operational[datetime]
    held_until: Operational[datetime | None] = None


class PendingRegistration(Document):
    """What somebody typed to register with an address that nobody has verified yet.

    Several people may do so with one address: each is mailed a link of their own. The first one of an account has
    the account's id.
    """

    collection: ClassVar[str] = "registrations"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    email: Annotated[str, Email, SealedAtRest(erased="")]
    username: Annotated[str, Username, SealedAtRest(erased="")]
    username_key: Annotated[str, Username, USERNAME_INDEX]
    password_hash: Annotated[str, PasswordHash]
    language: Annotated[Language, Typed]
    theme: Annotated[Theme, Typed]
    consents: Annotated[list[ChosenPurpose], Said] = Field(default_factory=list)
    policy_version: Operational[str] = ""
    created_at: Annotated[datetime, Account]
    expires_at: Operational[datetime]

    def asked_for(self) -> dict[str, Any]:
        """Return what the account is to be once this is verified, by its fields; of taste, what is consented to."""
        personal = ChosenPurpose.PERSONALISATION in self.consents
        taste = {"language": self.language, "theme": self.theme} if personal else dict(NO_TASTE)
        kept = ("email", "username", "username_key", "password_hash", "created_at")
        return {name: getattr(self, name) for name in kept} | taste


class Acceptance(Document):
    """What a person stated or accepted: its version, when, and where."""

    collection: ClassVar[str] = "acceptances"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("user_id", 1), ("created_at", 1))),)

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    document: Operational[Literal["terms", "policy", "adult"]]
    version: Operational[str]
    source: Operational[Literal["registration", "account"]]
    created_at: Annotated[datetime, Said]


class ConsentDecision(Document):
    """What a person decided about a purpose, once: the evidence. What counts now is in their switchboard."""

    collection: ClassVar[str] = "consent_decisions"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("purpose", 1), ("sequence", 1)), unique=True),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    purpose: Annotated[ChosenPurpose, Said]
    state: Annotated[Decision, Said]
    policy_version: Operational[str]
    sequence: Operational[int]
    source: Operational[Literal["registration", "account", "request"]]
    created_at: Annotated[datetime, Said]


class PolicyVersion(Document):
    """A published version of the policy or the terms, as `policy.published` told of it."""

    collection: ClassVar[str] = "policy_versions"

    id: Operational[str] = Field(alias="_id")
    document: Operational[AcceptedDocument]
    version: Operational[str]
    significant: Operational[bool]
    published_at: Operational[datetime]


class NoticeRun(Document):
    """How far everybody has been told of a significant version. `position` is the last account that was looked at."""

    collection: ClassVar[str] = "policy_notice_runs"

    id: Operational[str] = Field(alias="_id")
    document: Operational[AcceptedDocument]
    version: Operational[str]
    begun_at: Operational[datetime]
    position: Operational[UUID] = UUID(int=0)
    told: Operational[int] = 0
    done_at: Operational[datetime | None] = None


class PolicyNotice(Document):
    """That, and when, a person was told of a significant version: in the account, and by mail."""

    collection: ClassVar[str] = "policy_notices"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("document", 1), ("version", 1)), unique=True),
        Index((("document", 1), ("version", 1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    document: Operational[AcceptedDocument]
    version: Operational[str]
    created_at: Annotated[datetime, Told]
    mailed_at: Annotated[datetime | None, Told] = None
    acknowledged_at: Annotated[datetime | None, Told] = None


class VerificationToken(Document):
    """The hash of a token that was mailed. It activates what its own registration asked for, and nothing else."""

    collection: ClassVar[str] = "verification_tokens"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Annotated[str, Personal("user.authorization.credentials", Purpose.SECURITY, retention=DAY)] = Field(
        alias="_id"
    )
    user_id: SubjectId
    registration_id: Operational[UUID]
    created_at: Operational[datetime]
    expires_at: Operational[datetime]
    sent_at: Operational[datetime | None] = None


class IdentityCode(Document):
    """A challenge to prove who asks, and the keyed hash of the code that was mailed for it last.

    `tries` counts every one, the right one too. It goes once it is used, or expires.
    """

    collection: ClassVar[str] = "identity_codes"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    code_hash: Annotated[
        str | None, Personal("user.authorization.credentials", Purpose.SECURITY, retention=DAY)
    ] = None
    tries: Operational[int] = 0
    created_at: Operational[datetime]
    expires_at: Operational[datetime]


class Session(Document):
    """One sign-in on one device, with its technical data. Its id is the family of its refresh tokens.

    `network` is a blind index of the network part of `ip`, bound to the person: it tells only whether they have been
    there before.
    """

    collection: ClassVar[str] = "sessions"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1))),
        Index((("user_id", 1), ("network", 1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    ip: Annotated[str | None, IpAddress, SealedAtRest()] = None
    network: Annotated[str | None, IpAddress, NETWORK_INDEX] = None
    user_agent: Annotated[str | None, Device, SealedAtRest()] = None
    created_at: Annotated[
        datetime, Personal("user.behavior", Purpose.SECURITY, Basis.LEGITIMATE_INTERESTS, QUARTER)
    ]
    last_used_at: Annotated[
        datetime, Personal("user.behavior", Purpose.SECURITY, Basis.LEGITIMATE_INTERESTS, QUARTER)
    ]
    expires_at: Operational[datetime]
    ended_at: Operational[datetime | None] = None
    ended_reason: Operational[str | None] = None


class RefreshToken(Document):
    """The hash of one refresh token. A used one is kept until it expires, so that a second use is noticed."""

    collection: ClassVar[str] = "refresh_tokens"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("session_id", 1))),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Annotated[str, Personal("user.authorization.credentials", Purpose.SECURITY, retention=MONTH)] = Field(
        alias="_id"
    )
    user_id: SubjectId
    session_id: Operational[UUID]
    created_at: Operational[datetime]
    expires_at: Operational[datetime]
    used_at: Operational[datetime | None] = None


class StaffAccount(Document):
    """An operator's account, which has nothing to do with people's: neither can become the other.

    A disabled one stays, so that the audit ledger's ids keep meaning somebody.
    """

    collection: ClassVar[str] = "staff"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("name_key", 1),), unique=True),)

    id: SubjectId = Field(alias="_id")
    name: Annotated[str, Operator]
    name_key: Annotated[str, Operator]
    password_hash: Annotated[str, PasswordHash]
    created_at: Annotated[datetime, Account]
    signed_in_at: Annotated[datetime | None, Account] = None
    disabled_at: Operational[datetime | None] = None


class StaffSession(Document):
    """One sign-in of an operator: as long as its only access token, so that it can be ended before."""

    collection: ClassVar[str] = "staff_sessions"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    expires_at: Operational[datetime]
