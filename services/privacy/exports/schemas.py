"""What privacy answers about exports: to their person, and to operators, who see nothing of what is in them."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.privacy.exports.models import Export, ExportState
from services.privacy.protocol import HOLDERS


class ExportOut(BaseModel):
    """An export, and how far it is."""

    export_id: UUID
    state: ExportState
    requested_at: datetime
    holders_done: int = Field(description="services whose part is there")
    holders: int
    ready_at: datetime | None
    expires_at: datetime | None = Field(description="when the archive is removed")
    size_bytes: int | None = Field(description="of the archive")
    files: int | None = Field(description="in the archive")
    sha256: str | None = Field(description="of the archive")

    @classmethod
    def of(cls, export: Export) -> Self:
        """Return it as its person sees it."""
        made = export.ready_at is not None
        return cls(
            export_id=export.id,
            state=export.state,
            requested_at=export.created_at,
            holders_done=len(export.parts) if export.state is ExportState.GATHERING else len(HOLDERS),
            holders=len(HOLDERS),
            ready_at=export.ready_at,
            expires_at=export.expires_at,
            size_bytes=export.size if made else None,
            files=export.files if made else None,
            sha256=export.sha256,
        )


class ExportsOut(BaseModel):
    """A person's exports, the latest first."""

    exports: list[ExportOut]


class ExportStandingOut(ExportOut):
    """An export as operators see it: whose it is, they are not told."""

    requests: list[UUID] = Field(description="the requests that it answers")
    waiting_for: list[str] = Field(description="services whose part is missing")
    tries: int = Field(description="of packing")

    @classmethod
    def of(cls, export: Export) -> Self:
        """Return it as operators see it."""
        gathering = export.state is ExportState.GATHERING
        return cls(
            **ExportOut.of(export).model_dump(),
            requests=[each.id for each in export.requests],
            waiting_for=[each for each in HOLDERS if each not in export.parts] if gathering else [],
            tries=export.tries,
        )


class ExportStandingsOut(BaseModel):
    """Exports of everybody, open ones first."""

    exports: list[ExportStandingOut]
