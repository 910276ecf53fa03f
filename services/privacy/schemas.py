"""What privacy answers over HTTP. Nothing of it says who a case is about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from libs.common.events.base import Code
from services.privacy import proof
from services.privacy.models import Case, Certificate, ChainHead, TimelineEntry
from services.privacy.protocol import Attention, Phase
from services.privacy.repository import OpenCases
from services.privacy.state import Hold


class ProofOut(BaseModel):
    """An outside party's answer that it erased: its own reference, and when."""

    reference: str
    at: datetime


class HoldingOut(BaseModel):
    """What a holder found in one place, and what became of it.

    `already_gone` went another way between the count and the erasure: deleted by the person, or expired. `proofs` are
    of an outside party, where the place is what that has.
    """

    holding: str
    found: int
    erased: int
    already_gone: int
    retained: int
    ground: str | None
    retained_until: str | None
    proofs: list[ProofOut] = Field(default_factory=list)


class HolderOut(BaseModel):
    """How far one service has come. `missing` is what it found and has not explained."""

    holder: str
    inventoried: bool
    erased: bool
    missing: int
    holdings: list[HoldingOut]


class HoldIn(BaseModel):
    """Why nothing is to be erased, as a code, and until when."""

    until: AwareDatetime
    ground: Code


class HoldOut(BaseModel):
    """A time in which nothing was erased by order of the operators. `ended_at` is null while it lasts."""

    since: datetime
    until: datetime
    ground: str
    ended_at: datetime | None


class CaseSummaryOut(BaseModel):
    """A case at a glance."""

    case_id: UUID
    state: Phase
    requested_at: datetime | None
    opened_at: datetime | None
    target_at: datetime | None
    due_at: datetime
    verified_at: datetime | None
    attempt: int
    attention: list[Attention]
    waiting_for: list[str]
    hold: HoldOut | None
    certificate_sequence: int | None

    @classmethod
    def of(cls, case: Case) -> "CaseSummaryOut":
        """Return the case as its person and operators see it."""
        return cls(**_summary(case))


class CaseOut(CaseSummaryOut):
    """A case with all that is known of it."""

    holders: list[HolderOut]
    holds: list[HoldOut]
    scan: dict[str, Any] | None
    timeline: list[TimelineEntry]

    @classmethod
    def of(cls, case: Case) -> "CaseOut":
        """Return the case as its person and operators see it."""
        holds = [_hold(hold) for hold in case.saga.holds]
        return cls(
            **_summary(case), holders=_holders(case), holds=holds, scan=case.scan, timeline=case.timeline
        )


class ErasuresOut(BaseModel):
    """All open erasures at a glance. `attention` is how many call for people, whatever their state."""

    open: int
    oldest_requested_at: datetime | None
    soonest_due_at: datetime | None
    overdue: int
    attention: int
    by_state: dict[Phase, int]

    @classmethod
    def of(cls, phases: Sequence[OpenCases]) -> "ErasuresOut":
        """Return the sum of all phases."""
        return cls(
            open=sum(each.cases for each in phases),
            oldest_requested_at=min((each.oldest for each in phases), default=None),
            soonest_due_at=min((each.soonest_due for each in phases), default=None),
            overdue=sum(each.overdue for each in phases),
            attention=sum(each.attention for each in phases),
            by_state={each.phase: each.cases for each in phases},
        )


class KeyOut(BaseModel):
    """A public key that certificates are checked with."""

    kid: str
    jwk: dict[str, str]
    pem: str


class KeysOut(BaseModel):
    """All of them, the present one first."""

    keys: list[KeyOut]


class ChainHeadOut(BaseModel):
    """The last certificate. Whoever notes it down can tell later if the chain was rewritten."""

    sequence: int
    hash: str

    @classmethod
    def of(cls, head: ChainHead) -> "ChainHeadOut":
        """Return the head of the chain."""
        return cls(sequence=head.sequence, hash=head.hash)


class CertificateOut(BaseModel):
    """A certificate in the chain; `signed` is its exact text."""

    sequence: int
    case_id: UUID
    hash: str
    issued_at: datetime
    signed: str

    @classmethod
    def of(cls, certificate: Certificate) -> "CertificateOut":
        """Return the certificate for operators."""
        return cls(
            sequence=certificate.sequence,
            case_id=certificate.id,
            hash=certificate.hash,
            issued_at=certificate.issued_at,
            signed=certificate.signed.decode(),
        )


def _summary(case: Case) -> dict[str, Any]:
    known = case.saga
    return {
        "case_id": case.id,
        "state": known.phase,
        "requested_at": known.deleted_at,
        "opened_at": known.opened_at,
        "target_at": known.target_at,
        "due_at": case.due_at,
        "verified_at": known.verified_at,
        "attempt": known.attempt,
        "attention": list(known.attention),
        "waiting_for": _waiting_for(case),
        "hold": _hold(known.hold) if known.hold else None,
        "certificate_sequence": case.certificate,
    }


def _waiting_for(case: Case) -> list[str]:
    """Return the holders whose answer is still awaited."""
    parts = sorted(case.saga.holders.items())
    if case.saga.phase in (Phase.INVENTORY, Phase.HELD):
        return [name for name, part in parts if part.found is None]
    if case.saga.phase in (Phase.ERASING, Phase.INCOMPLETE):
        return [name for name, part in parts if part.answered < case.saga.needed or part.missing]
    return []


def _hold(hold: Hold) -> HoldOut:
    return HoldOut(since=hold.since, until=hold.until, ground=hold.ground, ended_at=hold.ended_at)


def _holders(case: Case) -> list[HolderOut]:
    return [
        HolderOut(
            holder=name,
            inventoried=part.found is not None,
            erased=part.answered > 0 and not part.missing,
            missing=sum(part.missing.values()),
            holdings=[HoldingOut(**held) for held in proof.holdings(part)],
        )
        for name, part in sorted(case.saga.holders.items())
    ]
