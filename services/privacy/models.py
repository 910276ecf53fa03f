"""What privacy stores: cases and their certificates, neither of which says who it is about."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from libs.common.audit_ledger import GENESIS
from libs.common.document import Document, Index, Restored
from libs.common.events.privacy import RequestKind
from libs.common.privacy.annotations import (
    QUARTER,
    Basis,
    Operational,
    Personal,
    Purpose,
    SubjectId,
)
from services.privacy.policies.texts import DocumentName, Language
from services.privacy.protocol import Phase, Policy
from services.privacy.state import Saga, wake_at


class TimelineEntry(BaseModel):
    """One thing that happened in a case. Args: number: of the attempt or the run; count: rows, objects, findings."""

    at: datetime
    what: str
    holder: str | None = None
    number: int | None = None
    count: int | None = None


class Case(Document):
    """One erasure, from the deletion of the account to its proof.

    `sealed_subject` and `locators` go when the case is VERIFIED; `subject`, the keyed pseudonym, stays as proof.
    `phase`, `open`, `due_at`, `wake_at` and `phase_since` repeat what the saga knows, for the indexes.

    Personal: none readable here. The person's id is sealed with a key that is not in the database; the tombstone
              beside it has the opaque id and the case's, so that a restored backup can be erased again.
    """

    collection: ClassVar[str] = "cases"
    restored: ClassVar[Restored] = Restored.KEPT
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("open", -1), ("due_at", 1), ("_id", 1))),
        Index((("wake_at", 1),), partial={"wake_at": {"$type": "date"}}),
        Index((("phase", 1), ("claimed_until", 1)), partial={"open": True}),
        Index((("subject", 1), ("open", 1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    created_at: Operational[datetime]
    subject: Operational[str]
    sealed_subject: Operational[bytes | None]
    locators: Operational[list[str]] = Field(default_factory=list)
    saga: Operational[Saga]
    timeline: Operational[list[TimelineEntry]] = Field(default_factory=list)
    scan: Operational[dict[str, Any] | None] = None
    certificate: Operational[int | None] = None
    amendments: Operational[list[int]] = Field(default_factory=list)

    phase: Operational[Phase] = Phase.OPENED
    phase_since: Operational[datetime]
    open: Operational[bool] = True
    due_at: Operational[datetime]
    wake_at: Operational[datetime | None] = None

    version: Operational[int] = 0
    claim: Operational[UUID | None] = None
    claimed_until: Operational[datetime | None] = None

    def repeat(self, at: datetime, policy: Policy) -> None:
        """Repeat on the row what the saga knows and the indexes need."""
        if self.phase is not self.saga.phase:
            self.phase, self.phase_since = self.saga.phase, at
        self.open = self.saga.phase is not Phase.VERIFIED
        self.due_at = self.saga.due_at or self.due_at
        self.wake_at = wake_at(self.saga, policy)


class Certificate(Document):
    """A certificate, byte for byte as it was signed. It is kept for good: it is the proof.

    The certificate of a case has the case's id; one that amends it has an id of its own, and the case's in `case_id`.
    """

    collection: ClassVar[str] = "certificates"
    restored: ClassVar[Restored] = Restored.KEPT
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("sequence", 1),), unique=True),
        Index((("case_id", 1), ("sequence", 1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    case_id: Operational[UUID | None] = None
    sequence: Operational[int]
    hash: Operational[str]
    signed: Operational[bytes]
    issued_at: Operational[datetime]


class HoldKind(StrEnum):
    """What is held."""

    ITEM = "item"
    ACCOUNT = "account"


class HoldState(StrEnum):
    """Where a hold is. The first two are its beginning, the last three its end."""

    ASKED = "asked"
    """The service that has the item was asked to keep it, and has not answered."""
    UNCONFIRMED = "unconfirmed"
    """It is on an account, and waits for a second operator."""
    IN_FORCE = "in-force"
    TOO_LATE = "too-late"
    ABSENT = "absent"
    ENDED = "ended"


class Hold(Document):
    """A hold on an item or an account. Args: called: what the item is, for people; ended_as: why, as a code.

    `lift_asked_by` is who wants a hold on an account to end before its date; a second operator has to confirm it.

    Personal: none readable here. Of an account there is a keyed pseudonym, and until the hold ends the id, sealed.
    """

    collection: ClassVar[str] = "holds"
    restored: ClassVar[Restored] = Restored.KEPT
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("state", 1), ("until", 1))),
        Index((("subject", 1), ("state", 1))),
        Index((("placed_at", -1), ("_id", -1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    kind: Operational[HoldKind]
    state: Operational[HoldState]
    ground: Operational[str]
    until: Operational[datetime]
    placed_at: Operational[datetime]
    placed_by: Operational[str]
    holding: Operational[str | None] = None
    item_id: Operational[UUID | None] = None
    called: Operational[str] = "the account"
    subject: Operational[str | None] = None
    sealed_subject: Operational[bytes | None] = None
    confirmed_at: Operational[datetime | None] = None
    confirmed_by: Operational[str | None] = None
    lift_asked_at: Operational[datetime | None] = None
    lift_asked_by: Operational[str | None] = None
    ended_at: Operational[datetime | None] = None
    ended_by: Operational[str | None] = None
    ended_as: Operational[str | None] = None

    @property
    def open(self) -> bool:
        """Tell whether it is, or may yet be, in force."""
        return self.state in (HoldState.ASKED, HoldState.UNCONFIRMED, HoldState.IN_FORCE)


class BackupState(StrEnum):
    """How far a backup is. Whether it is there to be restored, its folder alone can tell."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Backup(Document):
    """A backup that was asked for. Args: reason: why it failed, as a code; rows_of: about how many rows there are."""

    collection: ClassVar[str] = "backups"
    restored: ClassVar[Restored] = Restored.ANEW

    id: Operational[str] = Field(alias="_id")
    state: Operational[BackupState] = BackupState.WAITING
    requested_at: Operational[datetime]
    step: Operational[str] = "waiting"
    rows: Operational[int] = 0
    rows_of: Operational[int] = 0
    objects: Operational[int] = 0
    reason: Operational[str | None] = None
    ended_at: Operational[datetime | None] = None


class ChainHead(Document):
    """The last certificate's number and hash; whoever issues the next one holds this row until it is committed."""

    collection: ClassVar[str] = "chain_heads"
    restored: ClassVar[Restored] = Restored.KEPT

    id: Operational[str] = Field(alias="_id")
    sequence: Operational[int] = 0
    hash: Operational[str]


class AuditEntry(Document):
    """One entry of the audit ledger. `entry` is what counts, byte for byte; the others repeat it, for indexes."""

    collection: ClassVar[str] = "audit_entries"
    restored: ClassVar[Restored] = Restored.KEPT
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("stream", 1), ("sequence", 1)), unique=True),
        Index((("at", -1), ("_id", -1))),
        Index((("actor", 1), ("at", -1))),
        Index((("subject", 1), ("at", -1)), partial={"subject": {"$type": "string"}}),
    )

    id: Operational[UUID] = Field(alias="_id")
    stream: Operational[str]
    sequence: Operational[int]
    hash: Operational[str]
    entry: Operational[bytes]
    action: Operational[str]
    actor: Operational[str]
    subject: Operational[str | None]
    at: Operational[datetime]


class AuditHead(Document):
    """The end of a stream: whoever appends holds this row until the commit. `peaks` let its Merkle tree grow."""

    collection: ClassVar[str] = "audit_heads"
    restored: ClassVar[Restored] = Restored.KEPT

    id: Operational[str] = Field(alias="_id")
    sequence: Operational[int] = 0
    hash: Operational[str] = GENESIS
    peaks: Operational[list[bytes]] = Field(default_factory=list)
    batches: Operational[int] = 0


class PolicyPublication(Document):
    """A published version of the policy or the terms, as people were shown it: whatever becomes of its files.

    `texts` are the files by language, byte for byte; `published_by` is an operator's opaque id, or the platform.
    """

    collection: ClassVar[str] = "policy_publications"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("document", 1), ("published_at", -1))),)

    id: Operational[str] = Field(alias="_id")
    document: Operational[DocumentName]
    version: Operational[str]
    date: Operational[str]
    significant: Operational[bool]
    texts: Operational[dict[Language, str]]
    published_at: Operational[datetime]
    published_by: Operational[str]


class AuditCheckpoint(Document):
    """A checkpoint of the audit ledger, byte for byte as it was signed."""

    collection: ClassVar[str] = "audit_checkpoints"
    restored: ClassVar[Restored] = Restored.KEPT

    id: Operational[UUID] = Field(alias="_id")
    at: Operational[datetime]
    size: Operational[int]
    signed: Operational[bytes]


class ExportState(StrEnum):
    """Where an export is: gathering -> packing -> ready -> removed."""

    GATHERING = "gathering"
    PACKING = "packing"
    READY = "ready"
    REMOVED = "removed"


class ExportedPart(BaseModel):
    """What a holder wrote: where it lies, how much it is, and the key that the person's key opens."""

    attempt: UUID
    segments: int
    rows: int
    files: int
    sealed_key: str


class ExportRequest(BaseModel):
    """A request that an export answers, to be told when it is ready."""

    id: UUID
    kind: RequestKind


class Export(Document):
    """A copy of everything that is held of a person, for that person (GDPR Art. 15, 20).

    `open` is true until it is ready: there is one at a time for a person. `attempt` names where the archive lies;
    `files` and `size` are the archive's.

    Personal: whose it is, and when it was asked for. The archive lies in the object store, sealed.
    """

    collection: ClassVar[str] = "exports"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1))),
        Index((("user_id", 1), ("open", 1)), unique=True, partial={"open": True}),
        Index((("requests.id", 1),)),
        Index((("state", 1), ("due_at", 1))),
        Index((("open", -1), ("created_at", -1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    created_at: Annotated[
        datetime,
        Personal("user.privacy_preferences", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, QUARTER),
    ]
    requests: Operational[list[ExportRequest]] = Field(default_factory=list)
    state: Operational[ExportState] = ExportState.GATHERING
    open: Operational[bool] = True
    parts: Operational[dict[str, ExportedPart]] = Field(default_factory=dict)
    due_at: Operational[datetime]
    tries: Operational[int] = 0
    attempt: Operational[UUID | None] = None
    segments: Operational[int] = 0
    files: Operational[int] = 0
    size: Operational[int] = 0
    sha256: Operational[str | None] = None
    sealed_key: Operational[str | None] = None
    ready_at: Operational[datetime | None] = None
    expires_at: Operational[datetime | None] = None
