"""What privacy answers over HTTP. Nothing of it says who a case is about."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from services.privacy import proof
from services.privacy.models import Case, Certificate, ChainHead, TimelineEntry
from services.privacy.protocol import Attention, Phase


class HoldingOut(BaseModel):
    """What a holder found in one place, and what became of it.

    `already_gone` went another way between the count and the erasure: deleted by the person, or expired.
    """

    holding: str
    found: int
    erased: int
    already_gone: int
    retained: int
    ground: str | None
    retained_until: str | None


class HolderOut(BaseModel):
    """How far one service has come. `missing` is what it found and has not explained."""

    holder: str
    inventoried: bool
    erased: bool
    missing: int
    holdings: list[HoldingOut]


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
    certificate_sequence: int | None

    @classmethod
    def of(cls, case: Case) -> "CaseSummaryOut":
        """Return the case as its person and operators see it."""
        return cls(**_summary(case))


class CaseOut(CaseSummaryOut):
    """A case with all that is known of it."""

    holders: list[HolderOut]
    scan: dict[str, Any] | None
    timeline: list[TimelineEntry]

    @classmethod
    def of(cls, case: Case) -> "CaseOut":
        """Return the case as its person and operators see it."""
        return cls(**_summary(case), holders=_holders(case), scan=case.scan, timeline=case.timeline)


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
        "certificate_sequence": case.certificate,
    }


def _waiting_for(case: Case) -> list[str]:
    """Return the holders whose answer is still awaited."""
    parts = sorted(case.saga.holders.items())
    if case.saga.phase is Phase.INVENTORY:
        return [name for name, part in parts if part.found is None]
    if case.saga.phase in (Phase.ERASING, Phase.INCOMPLETE):
        return [name for name, part in parts if part.answered < case.saga.needed or part.missing]
    return []


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
