"""What is stored of exports: which requests they answer, and how far each is."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

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
