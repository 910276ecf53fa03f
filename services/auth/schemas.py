"""What auth takes and gives over HTTP."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from libs.common.mailing.address import EmailAddress
from libs.common.privacy.annotations import ChosenPurpose
from services.auth.accounts import Deletion, ProfileChange
from services.auth.agreement_models import AcceptedDocument
from services.auth.agreements import Due
from services.auth.models import Language, Preference, Theme, User
from services.auth.registration import Applicant
from services.auth.session_models import Session
from services.auth.sessions import Signed
from services.auth.staff import StaffSigned
from services.auth.staff_models import StaffAccount

INT64_BITS = 64


def _storable(value: object) -> object:
    """Refuse a whole number that BSON does not hold; pydantic would make it a fraction, which is another number."""
    if isinstance(value, int) and value.bit_length() >= INT64_BITS:
        raise ValueError("a whole number has 64 bits at most")
    return value


Username = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,31}$"),
    Field(description="3 to 32 letters, figures, `_` and `-`; unique whatever the case", examples=["ada"]),
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=1024, description="12 to 128 characters")]
Token = Annotated[str, StringConstraints(min_length=1, max_length=128)]
PreferenceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
PreferenceValue = Annotated[
    bool
    | int
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, StringConstraints(max_length=200)]
    | None,
    BeforeValidator(_storable),
]


class Input(BaseModel):
    """What a client sends: nothing but what is named."""

    model_config = ConfigDict(extra="forbid")


class RegisterIn(Input):
    """Somebody wants an account."""

    email: EmailAddress
    username: Username
    password: Password
    is_adult: Literal[True] = Field(description="the person states to be 18 or older")
    accept_terms_version: str = Field(max_length=64, description="from GET /api/auth/v1/terms")
    accept_policy_version: str = Field(max_length=64, description="from GET /api/auth/v1/terms")
    language: Language = Field(Language.ENGLISH, description="of the mail that verifies the address")
    theme: Theme = Theme.SYSTEM
    consents: list[ChosenPurpose] = Field(
        default_factory=list,
        max_length=len(ChosenPurpose),
        description="what the person consents to, by ticking it: none is ticked before. Without `personalisation` "
        "the account keeps neither language nor theme",
    )

    def applicant(self) -> Applicant:
        """Return it in domain words."""
        return Applicant(
            email=self.email,
            username=self.username,
            password=self.password,
            terms_version=self.accept_terms_version,
            policy_version=self.accept_policy_version,
            language=self.language,
            theme=self.theme,
            consents=tuple(dict.fromkeys(self.consents)),
        )


class AcceptedOut(BaseModel):
    """The same answer whether or not the address is known."""

    status: Literal["check-your-mail"] = "check-your-mail"


class VerifyIn(Input):
    """A token that was mailed."""

    token: Token


class VerifiedOut(BaseModel):
    """The account is active."""

    status: Literal["verified"] = "verified"


class ResendIn(Input):
    """Somebody waits for the mail."""

    email: EmailAddress


class SignInIn(Input):
    """Somebody wants in."""

    login: str = Field(min_length=1, max_length=254, description="e-mail address or username")
    password: Password


class CodeIn(Input):
    """Somebody wants to prove who they are."""

    email: EmailAddress


class ChallengeOut(BaseModel):
    """The same answer whether or not the address has an account. If it has one, a code is on its way."""

    status: Literal["check-your-mail"] = "check-your-mail"
    challenge_id: UUID
    expires_in: int = Field(description="seconds that a code works")


class ProveIn(Input):
    """The code that was mailed."""

    challenge_id: UUID
    code: str = Field(min_length=1, max_length=32)


class IdentityProofOut(BaseModel):
    """A proof of identity, for `identity_proof` of a request."""

    identity_proof: str
    expires_in: int = Field(description="seconds that it lasts")


class RefreshIn(Input):
    """A refresh token, which is void afterwards."""

    refresh_token: Token


class DueOut(BaseModel):
    """A version to be accepted anew, at POST /api/auth/v1/me/acceptances."""

    document: AcceptedDocument
    version: str


class SignedOut(BaseModel):
    """The tokens of a session."""

    session_id: UUID
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme's name
    expires_in: int = Field(description="seconds that the access token lasts")
    refresh_token: str = Field(description="use it once; a second use ends the session")
    refresh_expires_at: datetime
    accept_anew: list[DueOut] = Field(
        default_factory=list,
        description="at a sign-in: what changed significantly since the person accepted it",
    )

    @classmethod
    def of(cls, signed: Signed, due: Iterable[Due] = ()) -> Self:
        """Return it as the client sees it."""
        return cls(
            accept_anew=[DueOut(document=each.document, version=each.version) for each in due],
            session_id=signed.session_id,
            access_token=signed.access_token,
            expires_in=signed.expires_in,
            refresh_token=signed.refresh_token,
            refresh_expires_at=signed.refresh_expires_at,
        )


class SessionOut(BaseModel):
    """One of the person's sessions. Personal: address and device, to their own subject only."""

    id: UUID
    current: bool
    ip: str | None
    user_agent: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, session: Session, current_id: UUID) -> Self:
        """Return it as the person sees it."""
        return cls(
            id=session.id,
            current=session.id == current_id,
            ip=session.ip,
            user_agent=session.user_agent,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )


class ProfileOut(BaseModel):
    """The person's profile. Personal: all of it, to their own subject only."""

    id: UUID
    email: str
    username: str
    language: Language
    theme: Theme
    preferences: dict[str, Preference]
    created_at: datetime
    verified_at: datetime | None
    restricted_at: datetime | None = Field(description="since when the processing of the data is restricted")

    @classmethod
    def of(cls, user: User) -> Self:
        """Return it as the person sees it."""
        return cls(
            id=user.id,
            email=user.email,
            username=user.username,
            language=user.language,
            theme=user.theme,
            preferences=user.preferences,
            created_at=user.created_at,
            verified_at=user.verified_at,
            restricted_at=user.restricted_at,
        )


class ProfileIn(Input):
    """What to change; what is left out stays. A preference of null is removed."""

    username: Username | None = None
    language: Language | None = None
    theme: Theme | None = None
    preferences: dict[PreferenceName, PreferenceValue] | None = Field(None, max_length=50)

    def change(self) -> ProfileChange:
        """Return it in domain words."""
        return ProfileChange(self.username, self.language, self.theme, self.preferences)


class PasswordIn(Input):
    """The password, and the one that replaces it."""

    current_password: Password
    new_password: Password


class EmailIn(Input):
    """The password, and the address that replaces the account's once it is proven."""

    password: Password
    email: EmailAddress


class DeleteIn(Input):
    """The password, asked for again."""

    password: Password
    now: bool = Field(
        False, description="true: erase at once. Else the account is hidden, and a sign-in saves it"
    )


class DeletionOut(BaseModel):
    """How the person follows the erasure: with this token, once the account is gone."""

    case_id: UUID
    case_token: str = Field(description="shown once; send it as `X-Case-Token` to status_url")
    status_url: str = Field(description="answers from `erased_from` on")
    erased_from: datetime = Field(description="until then a sign-in brings everything back")

    @classmethod
    def of(cls, deletion: Deletion) -> Self:
        """Return it as the person sees it."""
        return cls(
            case_id=deletion.case_id,
            case_token=deletion.case_token,
            status_url=deletion.status_url,
            erased_from=deletion.erased_from,
        )


class TermsOut(BaseModel):
    """The versions that a registration has to accept."""

    terms_version: str
    policy_version: str


class KeysOut(BaseModel):
    """A JSON Web Key Set. Source: RFC 7517."""

    keys: list[dict[str, str]]


class LookUpIn(Input):
    """An operator checks whose account a request is about."""

    login: str = Field(min_length=1, max_length=254, description="e-mail address or username")


class PersonOut(BaseModel):
    """An account, by its opaque id alone."""

    user_id: UUID


class StaffSignInIn(Input):
    """An operator wants in."""

    name: str = Field(min_length=1, max_length=64)
    password: Password


class StaffSignedOut(BaseModel):
    """An operator's token."""

    session_id: UUID
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme's name
    expires_in: int = Field(description="seconds that it lasts; then sign in again")

    @classmethod
    def of(cls, signed: StaffSigned) -> Self:
        """Return it as the operator's tool sees it."""
        return cls(
            session_id=signed.session_id, access_token=signed.access_token, expires_in=signed.expires_in
        )


class StaffAccountIn(Input):
    """A staff account to be made."""

    name: Username
    password: Password


class StaffAccountOut(BaseModel):
    """A staff account. Personal: the operator's name, to operators only."""

    id: UUID
    name: str
    created_at: datetime
    signed_in_at: datetime | None
    disabled_at: datetime | None

    @classmethod
    def of(cls, account: StaffAccount) -> Self:
        """Return it as operators see it."""
        return cls(
            id=account.id,
            name=account.name,
            created_at=account.created_at,
            signed_in_at=account.signed_in_at,
            disabled_at=account.disabled_at,
        )
