"""What auth stores of accounts, each field saying what it is. Sign-ins, agreements and operators are next door."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index
from libs.common.privacy.annotations import (
    DAY,
    Basis,
    BlindIndex,
    ChosenPurpose,
    Operational,
    Personal,
    Purpose,
    SealedAtRest,
    SubjectId,
)

ZERO = timedelta(0)
Preference = bool | int | float | str

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

EMAIL_INDEX = BlindIndex("auth.email")
USERNAME_INDEX = BlindIndex("auth.username")
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
