"""What gallery's API takes and gives."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.common.mongo import Row
from services.gallery.models import MAX_CAPTION, Image, ImageState, MediaType, Source
from services.gallery.uploads import Ticket

PREFIX = "/api/gallery/v1"
Caption = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CAPTION)]


class BeginUpload(BaseModel):
    """The file that is going to be posted."""

    model_config = ConfigDict(extra="forbid")

    media_type: MediaType
    size_bytes: int = Field(ge=1, description="at most 25 MB; no larger file is let in afterwards")
    caption: Caption | None = None


class UploadOut(BaseModel):
    """Where to post the file: a form with these fields, in this order, and then the file as `file`."""

    upload_id: UUID
    url: str
    fields: dict[str, str]
    expires_at: datetime

    @classmethod
    def of(cls, ticket: Ticket) -> Self:
        """Return what a person sees of the leave to post a file."""
        form = ticket.form
        return cls(upload_id=ticket.upload_id, url=form.url, fields=form.fields, expires_at=form.expires_at)


class EditImage(BaseModel):
    """What can be changed about an image."""

    model_config = ConfigDict(extra="forbid")

    caption: Caption | None = Field(description="null takes the caption away")


class ImageOut(BaseModel):
    """An image, to its own person. Thumbnails and the placeholder (a BlurHash) are there once it is ready."""

    id: UUID
    state: ImageState
    source: Source
    media_type: MediaType
    size_bytes: int
    width: int
    height: int
    caption: str | None
    taken_at: datetime | None
    camera: str | None
    placeholder: str | None
    job_id: UUID | None
    index: int | None
    created_at: datetime
    thumbnail_url: str

    @classmethod
    def of(cls, image: Image) -> Self:
        """Return what its person sees of an image."""
        return cls(**image.model_dump(exclude={"user_id"}), thumbnail_url=thumbnail_url(image.id))


def thumbnail_url(image_id: UUID) -> str:
    """Return the path that leads to an image's small thumbnail."""
    return f"{PREFIX}/images/{image_id}/thumbnail?size=small"


def page_json(rows: list[Row], next_cursor: str | None) -> bytes:
    """Return a page of ImageOut as JSON, straight from the stored rows."""
    for row in rows:
        image_id = row["id"] = row.pop("_id")
        row["thumbnail_url"] = thumbnail_url(image_id)
    return orjson.dumps({"items": rows, "next_cursor": next_cursor}, option=orjson.OPT_UTC_Z)
