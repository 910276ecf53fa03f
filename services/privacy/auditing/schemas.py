"""What the audit ledger answers over HTTP."""

from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.common.pagination import CursorParam, Limit
from libs.common.signing import read_object
from services.privacy.auditing.models import AuditCheckpoint, AuditEntry
from services.privacy.auditing.rows import Wanted


class AuditFilter(BaseModel):
    """Which entries an operator asks for, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    stream: str | None = Field(None, max_length=64, description="a service")
    action: str | None = Field(None, max_length=64)
    actor: str | None = Field(None, max_length=64, description="`staff:<id>`, or `system`")
    subject: UUID | None = Field(None, description="a person's id; the ledger knows the pseudonym only")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    cursor: CursorParam = None
    limit: Limit = 50

    def wanted(self, pseudonym: str | None) -> Wanted:
        """Return it as the ledger understands it. Args: pseudonym: of the subject."""
        return Wanted(
            self.stream, self.action, self.actor, subject=pseudonym, since=self.since, until=self.until
        )


class AuditEntryOut(BaseModel):
    """An entry, to be read. What can be checked is in the export, byte for byte. `subject` is a keyed pseudonym."""

    stream: str
    sequence: int
    at: datetime
    action: str
    actor: str
    ground: str
    subject: str | None
    target: str | None
    count: int | None
    hash: str

    @classmethod
    def of(cls, row: AuditEntry) -> "AuditEntryOut":
        """Return the entry as operators see it."""
        return cls.model_validate({**(read_object(row.entry) or {}), "hash": row.hash})


class AuditCheckpointOut(BaseModel):
    """A checkpoint; `signed` is its exact text."""

    id: UUID
    at: datetime
    size: int
    signed: str

    @classmethod
    def of(cls, checkpoint: AuditCheckpoint) -> "AuditCheckpointOut":
        """Return the checkpoint as operators take it away."""
        return cls(
            id=checkpoint.id, at=checkpoint.at, size=checkpoint.size, signed=checkpoint.signed.decode()
        )
