"""What gallery publishes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.common.events.base import Event


class ImageUploadedV1(Event, topic="image.uploaded", subject="user_id"):
    """An image was checked, cleaned and stored; its thumbnails are still to be made.

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


class ImageReadyV1(Event, topic="image.ready", subject="user_id"):
    """An image has its thumbnails and its placeholder.

    Consumers: generation.mark-delivered (for images that were generated).
    """

    user_id: UUID
    image_id: UUID
    job_id: UUID | None = None
    index: int | None = None


class ImageDeletedV1(Event, topic="image.deleted", subject="user_id"):
    """A person deleted one image: its objects are to go.

    Consumers: gallery.remove-objects, generation.mark-delivered (delivered, if only to be deleted).
    """

    user_id: UUID
    image_id: UUID
