"""What privacy and the holders say to one another. None is fenced: they are about people being erased."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from libs.common.events.base import Code, Event, Locator, Sealed

Holder = Literal["auth", "gallery", "generation", "billing", "privacy"]


class HoldingInventory(BaseModel):
    """How much of a person a holding held when it was frozen."""

    model_config = ConfigDict(frozen=True)

    holding: Code
    kind: Literal["collection", "objects"]
    found: int
    locator: Locator | None = None
    bucket: Code | None = None


class OutsideProof(BaseModel):
    """An outside party's answer that it erased: its own reference, and when."""

    model_config = ConfigDict(frozen=True)

    reference: Code
    at: datetime


class HoldingErasure(BaseModel):
    """What became of it: erased, or kept pseudonymised on a legal ground until a date.

    `already_gone` is what was counted and was no longer there when the erasure came to it, because the person
    deleted it themselves a moment before, or it expired; a holder says so only after it looked and found nothing.
    `proofs` are of an outside party, where the holding is what that has. `held` is what is there still because items
    are held, `holds` by which holds: it goes when they end, and the holder answers once more.
    """

    model_config = ConfigDict(frozen=True)

    holding: Code
    erased: int
    already_gone: int = 0
    retained: int = 0
    ground: Code | None = None
    retained_until: date | None = None
    proofs: list[OutsideProof] = Field(default_factory=list)
    held: int = 0
    holds: list[UUID] = Field(default_factory=list)


class InventoryRequestedV1(Event, topic="inventory.requested", subject="user_id", fenced=False):
    """Every holder is to freeze what it has of a person (tombstone), and to count it.

    Consumers: <every service>.privacy.
    """

    user_id: UUID
    case_id: UUID


class InventoryCompletedV1(Event, topic="inventory.completed", subject="user_id", fenced=False):
    """A holder froze and counted. Published by every holder.

    Consumers: privacy.collect.
    """

    user_id: UUID
    case_id: UUID
    holder: Holder
    holdings: list[HoldingInventory]


class ErasureRequestedV1(Event, topic="erasure.requested", subject="user_id", fenced=False):
    """Every holder is to erase what it has of a person, or only those of `holders`, where it is given.

    The holder of the keys is asked by itself, when all others have erased.

    Consumers: <every service>.privacy.
    """

    user_id: UUID
    case_id: UUID
    attempt: int = 1
    holders: list[Holder] | None = None


class ErasureCompletedV1(Event, topic="erasure.completed", subject="user_id", fenced=False):
    """A holder erased. Published by every holder.

    Consumers: privacy.collect.
    """

    user_id: UUID
    case_id: UUID
    holder: Holder
    holdings: list[HoldingErasure]
    attempt: int = 1


class ErasureVerifiedV1(Event, topic="erasure.verified", subject="user_id", fenced=False):
    """An independent scan found nothing more of a person; the certificate is issued.

    Consumers: none yet; it is the audit's source.
    """

    user_id: UUID
    case_id: UUID
    certificate_sequence: int


class HoldPlacedV1(Event, topic="hold.placed", subject="item_id", fenced=False):
    """An item is to be kept: whatever erases or expires what is around it leaves it alone until it is released.

    `holding` says which service has it and in which collection; whose it is, only that service knows.

    Consumers: gallery.hold, generation.hold, billing.hold.
    """

    hold_id: UUID
    holding: Code
    item_id: UUID


class HoldReleasedV1(Event, topic="hold.released", subject="item_id", fenced=False):
    """A hold on an item has ended. It may be heard before the hold itself, which then never takes effect.

    Consumers: gallery.hold, generation.hold, billing.hold.
    """

    hold_id: UUID
    holding: Code
    item_id: UUID


class HoldAnsweredV1(Event, topic="hold.answered", subject="hold_id", fenced=False):
    """What became of a hold on an item, from the service that was to keep it.

    `in-force`: it is kept. `too-late`: the erasure of its person has begun there, and nothing is promised of it.
    `absent`: there is no such item, or it is being deleted. `released`: the hold ended before it could take effect.

    Consumers: privacy.note-holds.
    """

    hold_id: UUID
    holder: Holder
    outcome: Literal["in-force", "too-late", "absent", "released"]


RequestKind = Literal[
    "erasure", "access", "portability", "restriction", "objection", "withdrawal", "rectification"
]
"""The rights of GDPR Art. 7(3) and 15-21."""

RequestOutcome = Literal[
    "erasure-scheduled",
    "erasure-begun",
    "account-closed",
    "restricted",
    "already-restricted",
    "stopped",
    "nothing-to-stop",
    "archive-made",
]
"""What comes of a request that a service carries out. The event has it as a code: a new one breaks no reader."""


class RequestAcceptedV1(Event, topic="request.accepted", subject="user_id"):
    """A person's request is to be carried out: that it is theirs has been proven.

    Consumers: auth.carry-out-requests, privacy.begin-exports.
    """

    user_id: UUID
    request_id: UUID
    kind: RequestKind


class RequestFulfilledV1(Event, topic="request.fulfilled", subject="user_id"):
    """A person's request has been carried out, by whoever publishes this. `outcome` says what came of it, as a code.

    Consumers: privacy.close-requests.
    """

    user_id: UUID
    request_id: UUID
    kind: RequestKind
    outcome: Code


class ExportRequestedV1(Event, topic="export.requested", subject="user_id"):
    """Every holder is to write what it has of a person into its part of their export (GDPR Art. 15, 20).

    `anew` names the one holder that is asked, where its part was there and could not be read.

    Consumers: <every service>.export.
    """

    user_id: UUID
    export_id: UUID
    anew: Holder | None = None


class ExportCompletedV1(Event, topic="export.completed", subject="user_id"):
    """A holder's part of an export is whole. Published by every holder.

    `attempt` says where it lies, in `segments` pieces; `sealed_key` opens it, and only the person's key opens that.

    Consumers: privacy.collect-exports.
    """

    user_id: UUID
    export_id: UUID
    holder: Holder
    attempt: UUID
    segments: int
    rows: int
    files: int
    sealed_key: Sealed


class RequestUpdatedV1(Event, topic="request.updated", subject="request_id", fenced=False):
    """There is news about a request, for the address that was typed in it. Accounts are told by `mail.requested`.

    It is about nobody's account by itself: the request is looked up, and where it was erased nothing is sent.

    Consumers: privacy.mail-writers.
    """

    request_id: UUID
    news: Code


class MinorConfirmedV1(Event, topic="minor.confirmed", subject="user_id"):
    """Staff confirmed a report that somebody is under 18: the account is closed and erased without grace.

    Consumers: auth.close-minors.
    """

    user_id: UUID
    request_id: UUID


class PolicyPublishedV1(Event, topic="policy.published", subject="document", fenced=False):
    """A version of the privacy policy or the terms took effect.

    A significant one is told to everybody who has an account, and they are asked to accept it. `published_at` says
    which of two versions is the later one: a redelivered event must not bring an old one back.

    Consumers: auth.follow-policies.
    """

    document: Literal["policy", "terms"]
    document_version: Code
    significant: bool
    published_at: datetime


class ActionRecordedV1(Event, topic="action.recorded", subject="stream", fenced=False):
    """Somebody, or the platform itself, did something to people's data that an auditor may ask about.

    Published by every service through `libs.common.audit`, in the transaction of what was done. The key is the
    stream, so one service's actions keep their order. `actor` is `staff:<opaque id>` or `system`; `user_id` is the
    person concerned, whom the ledger keeps under a keyed pseudonym only; `ground` is why, `target` to what.

    Consumers: privacy.record-audit.
    """

    stream: Holder
    action: Code
    actor: Code
    ground: Code
    user_id: UUID | None = None
    target: Code | None = None
    count: int | None = None
    at: datetime
