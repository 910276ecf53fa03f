"""What gallery publishes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.common.events.base import Event, Sealed


class ImageUploadedV1(Event, topic="image.uploaded", subject="user_id"):
    """An image was checked, cleaned and stored; its thumbnails are still to be made.

    `sealed_details` opens to what there is of `caption`, `taken_at` and `camera`, under these names; none, where
    there is nothing of them.

    Consumers: gallery.make-thumbnails.
    """

    user_id: UUID
    image_id: UUID
    source: Literal["upload", "generation"]
    media_type: Literal["image/jpeg", "image/png", "image/webp"]
    size_bytes: int
    width: int
    height: int
    job_id: UUID | None = None
    index: int | None = None
    uploaded_at: datetime
    sealed_details: Sealed | None = None


class ImageReadyV1(Event, topic="image.ready", subject="user_id"):
    """An image has its thumbnails and its placeholder, to which `sealed_placeholder` opens.

    Consumers: generation.mark-delivered (for images that were generated).
    """

    user_id: UUID
    image_id: UUID
    job_id: UUID | None = None
    index: int | None = None
    sealed_placeholder: Sealed | None = None


class ImageCaptionedV1(Event, topic="image.captioned", subject="user_id"):
    """A person gave an image a caption, to which `sealed_caption` opens, or took it away, where there is none.

    Consumers: none; the listing is rebuilt from the log by reading it.
    """

    user_id: UUID
    image_id: UUID
    sealed_caption: Sealed | None = None
    captioned_at: datetime


class ImageDeletedV1(Event, topic="image.deleted", subject="user_id"):
    """A person deleted one image: its objects are to go.

    Consumers: gallery.remove-objects, generation.mark-delivered (delivered, if only to be deleted).
    """

    user_id: UUID
    image_id: UUID
