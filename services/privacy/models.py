"""What privacy stores of erasures: cases and certificates, neither of which says who it is about; and its backups."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from libs.common.clock import MOST_APART
from libs.common.document import Document, Index, Restored
from libs.common.privacy.annotations import Operational
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
    `phase`, `open`, `due_at`, `wake_at` and `phase_since` repeat what the saga knows, for the indexes. `moved_at` is
    when it last moved, by the clock of whoever moved it: where that was ahead, `wake_at` cannot be waited for.

    Personal: none readable here. The person's id is sealed with a key that is not in the database; the tombstone
              beside it has the opaque id and the case's, so that a restored backup can be erased again.
    """

    collection: ClassVar[str] = "cases"
    restored: ClassVar[Restored] = Restored.KEPT
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("open", -1), ("due_at", 1), ("_id", 1))),
        Index((("wake_at", 1),), partial={"wake_at": {"$type": "date"}}),
        Index((("moved_at", 1),), partial={"open": True}),
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
    moved_at: Operational[datetime | None] = None

    version: Operational[int] = 0
    claim: Operational[UUID | None] = None
    claimed_until: Operational[datetime | None] = None

    def repeat(self, at: datetime, policy: Policy) -> None:
        """Repeat on the row what the saga knows and the indexes need."""
        if self.phase is not self.saga.phase:
            self.phase, self.phase_since = self.saga.phase, at
        self.open = self.saga.phase is not Phase.VERIFIED
        self.due_at = self.saga.due_at or self.due_at
        self.wake_at, self.moved_at = wake_at(self.saga, policy), at

    def is_due(self, at: datetime) -> bool:
        """Tell whether it wants a Tick, as `CaseRepository.due` looks for those that do."""
        has_come = self.wake_at is not None and self.wake_at <= at
        return has_come or (self.moved_at is not None and self.moved_at > at + MOST_APART)


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


class ChainHead(Document):
    """The last certificate's number and hash; whoever issues the next one holds this row until it is committed."""

    collection: ClassVar[str] = "chain_heads"
    restored: ClassVar[Restored] = Restored.FURTHEST

    id: Operational[str] = Field(alias="_id")
    sequence: Operational[int] = 0
    hash: Operational[str]


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


class BackupRemoval(Document):
    """A backup whose time is over: noted before it is removed, told to the audit once it is gone, and then no more.

    Args:     rows: how many it held, where it could be read.
    """

    collection: ClassVar[str] = "backup_removals"
    restored: ClassVar[Restored] = Restored.ANEW

    id: Operational[str] = Field(alias="_id")
    kind: Operational[str]
    backup: Operational[str]
    rows: Operational[int | None]
