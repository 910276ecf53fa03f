"""What privacy answers over HTTP. Nothing of it says who a case is about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.privacy import proof
from services.privacy.holds.grounds import told
from services.privacy.holds.models import Hold
from services.privacy.holds.schemas import StaffHoldOut
from services.privacy.models import Case, Certificate, ChainHead, TimelineEntry
from services.privacy.progress import Progress
from services.privacy.protocol import Attention, Phase
from services.privacy.repository import OpenCases
from services.privacy.state import Hold as AccountHold


class ProofOut(BaseModel):
    """An outside party's answer that it erased: its own reference, and when."""

    reference: str
    at: datetime


class HoldingOut(BaseModel):
    """What a holder found in one place, and what became of it.

    `already_gone` went another way between the count and the erasure: deleted by the person, or expired. `proofs` are
    of an outside party, where the place is what that has. `held` is what is there still because somebody holds it;
    `retained_gone_at` is when it was seen that nothing is left of what the law had kept.
    """

    holding: str
    found: int
    erased: int
    already_gone: int
    retained: int
    ground: str | None
    retained_until: str | None
    proofs: list[ProofOut] = Field(default_factory=list)
    held: int = 0
    retained_gone_at: datetime | None = None


class HolderOut(BaseModel):
    """How far one service has come. `missing` is what it found and has not explained; what is held is explained.

    `erased` is true when it has answered and nothing is left with it, neither missing nor held.
    """

    holder: str
    inventoried: bool
    erased: bool
    missing: int
    held: int
    holdings: list[HoldingOut]


class HoldOut(BaseModel):
    """A time in which nothing was erased by order of the operators. `ended_at` is null while it lasts.

    `reason` says why, in words for the person.
    """

    since: datetime
    until: datetime
    ground: str
    reason: str
    ended_at: datetime | None


class HeldItemOut(BaseModel):
    """Something single that is, or was, not erased with the rest. `ended_at` is null while it is held."""

    what: str
    until: datetime
    ground: str
    reason: str
    ended_at: datetime | None

    @classmethod
    def of(cls, hold: Hold) -> "HeldItemOut":
        """Return a hold as its person is told of it."""
        why = told(hold.ground)
        return cls(
            what=hold.called, until=hold.until, ground=why.value, reason=why.words, ended_at=hold.ended_at
        )


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
    amended_by: list[int]

    @classmethod
    def of(cls, case: Case) -> "CaseSummaryOut":
        """Return the case as its person and operators see it."""
        return cls(**_summary(case))


class CaseOut(CaseSummaryOut):
    """A case with all that is known of it, as its person may be told."""

    holders: list[HolderOut]
    holds: list[HoldOut]
    held_items: list[HeldItemOut]
    scan: dict[str, Any] | None
    timeline: list[TimelineEntry]

    @classmethod
    def told(cls, case: Case, items: Sequence[Hold]) -> Self:
        """Return the case as its person sees it. Args: items: the holds on items that it had to wait for."""
        return cls(
            **_summary(case),
            holders=_holders(case),
            holds=[_hold(hold) for hold in case.saga.holds],
            held_items=[HeldItemOut.of(hold) for hold in items],
            scan=case.scan,
            timeline=case.timeline,
        )


class StaffCaseOut(CaseOut):
    """A case as operators see it: with the holds themselves, and on what ground each was placed."""

    item_holds: list[StaffHoldOut]
    account_holds: list[str]

    @classmethod
    def shown(cls, case: Case, items: Sequence[Hold]) -> Self:
        """Return the case as operators see it."""
        seen = CaseOut.told(case, items).model_dump()
        return cls(
            **seen,
            item_holds=[StaffHoldOut.of(hold) for hold in items],
            account_holds=[hold.hold_id for hold in case.saga.holds if hold.hold_id],
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
    """A certificate in the chain; `signed` is its exact text. `amends` tells that it amends its case's first."""

    sequence: int
    case_id: UUID
    amends: bool
    hash: str
    issued_at: datetime
    signed: str

    @classmethod
    def of(cls, certificate: Certificate) -> "CertificateOut":
        """Return the certificate."""
        return cls(
            sequence=certificate.sequence,
            case_id=certificate.case_id or certificate.id,
            amends=certificate.case_id is not None,
            hash=certificate.hash,
            issued_at=certificate.issued_at,
            signed=certificate.signed.decode(),
        )


class CertificatesOut(BaseModel):
    """A case's certificate, and after it what amends it."""

    items: list[CertificateOut]


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
        "amended_by": case.amendments,
    }


def _waiting_for(case: Case) -> list[str]:
    """Return the holders whose answer is still awaited."""
    parts = sorted(case.saga.holders.items())
    if case.saga.phase in (Phase.INVENTORY, Phase.HELD):
        return [name for name, part in parts if part.found is None]
    if case.saga.phase is Phase.WAITING:
        return [name for name, part in parts if part.held]
    if case.saga.phase in (Phase.ERASING, Phase.INCOMPLETE):
        short = [name for name, part in parts if part.answered < case.saga.needed or part.missing]
        held = [name for name, part in parts if part.held and case.saga.phase is Phase.ERASING]
        return sorted({*short, *held})
    return []


def _hold(hold: AccountHold) -> HoldOut:
    why = told(hold.ground)
    return HoldOut(
        since=hold.since, until=hold.until, ground=why.value, reason=why.words, ended_at=hold.ended_at
    )


def _holders(case: Case) -> list[HolderOut]:
    return [
        HolderOut(
            holder=name,
            inventoried=part.found is not None,
            erased=part.answered > 0 and not part.missing and not part.held,
            missing=sum(part.missing.values()),
            held=part.held,
            holdings=[_holding(held, part, case) for held in proof.holdings(part)],
        )
        for name, part in sorted(case.saga.holders.items())
    ]


def _holding(held: dict[str, Any], part: Progress, case: Case) -> HoldingOut:
    outcome = part.outcomes.get(held["holding"])
    return HoldingOut(
        **held,
        held=outcome.held if outcome else 0,
        retained_gone_at=case.saga.ended.get(held["holding"]),
    )
