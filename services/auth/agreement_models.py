"""What auth stores of policies and terms: what was published, who was told, what people accepted and decided."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index
from libs.common.privacy.annotations import (
    Basis,
    ChosenPurpose,
    Operational,
    Personal,
    Purpose,
    Retention,
    SubjectId,
)
from libs.common.privacy.purposes import Decision
from services.auth.models import Said

AcceptedDocument = Literal["terms", "policy"]
Told = Personal(
    "user.privacy_preferences",
    Purpose.ACCOUNTABILITY,
    Basis.LEGAL_OBLIGATION,
    Retention("3 years, as long as somebody may ask whether they were told", timedelta(days=3 * 365)),
)


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
