"""What gallery stores: images, and uploads that are under way."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index
from libs.common.privacy.annotations import (
    DAY,
    Basis,
    ChosenPurpose,
    Operational,
    Personal,
    SealedAtRest,
    SubjectId,
)

MediaType = Literal["image/jpeg", "image/png", "image/webp"]
Source = Literal["upload", "generation"]

Taken = Personal("user.content.private", basis=Basis.LEGITIMATE_INTERESTS, chosen=ChosenPurpose.PHOTO_DETAILS)
Camera = Personal("user.device", basis=Basis.LEGITIMATE_INTERESTS, chosen=ChosenPurpose.PHOTO_DETAILS)

MAX_BYTES = 25 * 1024 * 1024
MAX_CAPTION = 500


class ImageState(StrEnum):
    """Where an image is: processing (no thumbnails yet) -> ready; deleting hides it until its objects are gone."""

    PROCESSING = "processing"
    READY = "ready"
    DELETING = "deleting"


class Size(StrEnum):
    """The thumbnails that every image has."""

    SMALL = "small"
    LARGE = "large"


class Image(Document):
    """One image of a person. Its bytes are in the object store; `placeholder` is a blurred hint of them.

    `deletion_waits` is on one that its person has deleted while it was held: it goes when the hold has ended.
    """

    collection: ClassVar[str] = "images"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1), ("_id", -1))),
        Index((("deletion_waits", 1),), partial={"deletion_waits": True}),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    state: Operational[ImageState]
    source: Operational[Source]
    media_type: Operational[MediaType]
    size_bytes: Operational[int]
    width: Operational[int]
    height: Operational[int]
    caption: Annotated[str | None, Personal("user.content.private"), SealedAtRest()] = None
    taken_at: Annotated[datetime | None, Taken, SealedAtRest()] = None
    camera: Annotated[str | None, Camera, SealedAtRest()] = None
    placeholder: Annotated[str | None, Personal("user.content.private"), SealedAtRest()] = None
    job_id: Operational[UUID | None] = None
    index: Operational[int | None] = None
    created_at: Operational[datetime]
    deletion_waits: Operational[bool] = Field(False, exclude=True)


class ImageFacts(Document):
    """What the log says of an image, while the listing is rebuilt from it; after that it goes.

    `uploaded` is missing where the image is older than the log. What is personal stays sealed.
    """

    collection: ClassVar[str] = "images_rebuilt"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("user_id", 1),)),)

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    uploaded: Operational[dict[str, Any] | None] = None
    ready: Operational[bool] = False
    captioned: Operational[bool] = False
    deleted: Operational[bool] = False
    sealed_details: Annotated[str | None, Personal("user.content.private")] = None
    sealed_placeholder: Annotated[str | None, Personal("user.content.private")] = None
    sealed_caption: Annotated[str | None, Personal("user.content.private")] = None


class Upload(Document):
    """An upload that was begun; completed, it has become the image of the same id. The row goes when it expires."""

    collection: ClassVar[str] = "uploads"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("completed", 1))),
        Index((("created_at", 1), ("_id", 1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    media_type: Operational[MediaType]
    size_bytes: Operational[int]
    caption: Annotated[str | None, Personal("user.content.private", retention=DAY), SealedAtRest()] = None
    completed: Operational[bool] = False
    created_at: Operational[datetime]
