"""What auth takes and gives over HTTP about documents, notices and consents."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from libs.common.consents import Standing, allowed
from libs.common.privacy.annotations import Basis, ChosenPurpose
from libs.common.privacy.purposes import DECLARED, Decision, DeclaredPurpose
from services.auth.agreement_models import Acceptance, AcceptedDocument, ConsentDecision, PolicyNotice
from services.auth.notifying import RunState
from services.auth.schemas import DueOut, Input


class AcceptIn(Input):
    """A version that the person accepts."""

    document: AcceptedDocument
    version: str = Field(max_length=64)


class AcceptanceOut(BaseModel):
    """What the person stated or accepted. Personal: to their own subject only."""

    document: str
    version: str
    source: str
    accepted_at: datetime

    @classmethod
    def of(cls, acceptance: Acceptance) -> Self:
        """Return it as the person sees it."""
        return cls(
            document=acceptance.document,
            version=acceptance.version,
            source=acceptance.source,
            accepted_at=acceptance.created_at,
        )


class AcceptancesOut(BaseModel):
    """All of it, the latest first; `due` is what has to be accepted anew."""

    due: list[DueOut]
    accepted: list[AcceptanceOut]


class NoticeOut(BaseModel):
    """A significant change that the person has not acknowledged yet."""

    id: UUID
    document: AcceptedDocument
    version: str
    told_at: datetime
    mailed_at: datetime | None

    @classmethod
    def of(cls, notice: PolicyNotice) -> Self:
        """Return it as the person sees it."""
        return cls(
            id=notice.id,
            document=notice.document,
            version=notice.version,
            told_at=notice.created_at,
            mailed_at=notice.mailed_at,
        )


class NoticesOut(BaseModel):
    """The latest first."""

    notices: list[NoticeOut]


class NoticeRunOut(BaseModel):
    """How far everybody has been told of a significant version."""

    document: AcceptedDocument
    version: str
    begun_at: datetime
    done_at: datetime | None
    told: int
    mailed: int
    acknowledged: int

    @classmethod
    def of(cls, state: RunState) -> Self:
        """Return it as operators see it."""
        return cls(
            document=state.run.document,
            version=state.run.version,
            begun_at=state.run.begun_at,
            done_at=state.run.done_at,
            told=state.run.told,
            mailed=state.mailed,
            acknowledged=state.acknowledged,
        )


class NoticeRunsOut(BaseModel):
    """The latest first."""

    runs: list[NoticeRunOut]


class PurposeOut(BaseModel):
    """A purpose that people decide about."""

    purpose: ChosenPurpose
    basis: Basis
    what: str
    without: str
    refusal: Decision = Field(
        description="how one says no: consent is withdrawn, legitimate interests objected to"
    )

    @classmethod
    def of(cls, declared: DeclaredPurpose) -> Self:
        """Return it as everybody sees it."""
        return cls(
            purpose=declared.name,
            basis=declared.basis,
            what=declared.what,
            without=declared.without,
            refusal=declared.refusal,
        )


class PurposesOut(BaseModel):
    """All of them."""

    purposes: list[PurposeOut]

    @classmethod
    def all(cls) -> Self:
        """Return every purpose that is declared."""
        return cls(purposes=[PurposeOut.of(each) for each in DECLARED.values()])


class DecisionIn(Input):
    """`given`, or the purpose's `refusal`: saying no takes the same one call as saying yes."""

    state: Decision


class ConsentOut(PurposeOut):
    """A purpose and the person's last word about it. Personal: to their own subject only."""

    allowed: bool = Field(description="whether it is followed now")
    state: Decision | None = Field(description="null: the person said nothing about it")
    changed_at: datetime | None

    @classmethod
    def seen(cls, declared: DeclaredPurpose, standings: dict[ChosenPurpose, Standing]) -> Self:
        """Return it as the person sees it."""
        standing = standings.get(declared.name)
        return cls(
            **PurposeOut.of(declared).model_dump(),
            allowed=allowed(standings, declared.name),
            state=standing.decision if standing else None,
            changed_at=standing.changed_at if standing else None,
        )


class ConsentsOut(BaseModel):
    """The person's switchboard."""

    consents: list[ConsentOut]

    @classmethod
    def of(cls, standings: dict[ChosenPurpose, Standing]) -> Self:
        """Return it as the person sees it."""
        return cls(consents=[ConsentOut.seen(each, standings) for each in DECLARED.values()])


class DecisionOut(BaseModel):
    """One decision of the person's. Personal: to their own subject only."""

    id: UUID
    purpose: ChosenPurpose
    state: Decision
    policy_version: str
    source: str
    decided_at: datetime

    @classmethod
    def of(cls, decision: ConsentDecision) -> Self:
        """Return it as the person sees it."""
        return cls(
            id=decision.id,
            purpose=decision.purpose,
            state=decision.state,
            policy_version=decision.policy_version,
            source=decision.source,
            decided_at=decision.created_at,
        )
