"""What is stored of the audit ledger: its entries, the ends of its streams, and signed checkpoints."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.audit_ledger import GENESIS
from libs.common.document import Document, Index, Restored
from libs.common.privacy.annotations import Operational


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
    restored: ClassVar[Restored] = Restored.FURTHEST

    id: Operational[str] = Field(alias="_id")
    sequence: Operational[int] = 0
    hash: Operational[str] = GENESIS
    peaks: Operational[list[bytes]] = Field(default_factory=list)
    batches: Operational[int] = 0


class AuditCheckpoint(Document):
    """A checkpoint of the audit ledger, byte for byte as it was signed."""

    collection: ClassVar[str] = "audit_checkpoints"
    restored: ClassVar[Restored] = Restored.KEPT

    id: Operational[UUID] = Field(alias="_id")
    at: Operational[datetime]
    size: Operational[int]
    signed: Operational[bytes]
