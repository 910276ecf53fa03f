"""What gallery's events say of an image: opaque facts plainly, what its person alone may read sealed (ADR 0027).

A seal is made before the transaction that publishes it begins: it takes a thread, and may make a person's key.
"""

from typing import Any
from uuid import UUID

from libs.common.clock import now
from libs.common.events.base import Sealed
from libs.common.events.gallery import ImageCaptionedV1, ImageReadyV1, ImageUploadedV1
from libs.common.sealing import Sealing
from services.gallery.models import Image

DETAILS = ("caption", "taken_at", "camera")
"""The personal fields of an image that are known when it is uploaded."""


class Seals:
    """Seals what events carry of an image."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    async def details(self, image: Image) -> Sealed | None:
        """Seal caption, time and camera as one value; None where there is nothing of them.

        Raises:   SubjectErased (410).
        """
        there = {name: value for name in DETAILS if (value := getattr(image, name)) is not None}
        return await self.text(image.user_id, there) if there else None

    async def text(self, user_id: UUID, value: Any) -> Sealed | None:
        """Seal one value, None where it is None. Raises SubjectErased (410)."""
        if value is None:
            return None
        (sealed,) = await self._sealing.seal(user_id, [value])
        return sealed


def uploaded(image: Image, sealed_details: Sealed | None = None) -> ImageUploadedV1:
    """Return the event that announces an image."""
    return ImageUploadedV1(
        user_id=image.user_id,
        image_id=image.id,
        source=image.source,
        media_type=image.media_type,
        size_bytes=image.size_bytes,
        width=image.width,
        height=image.height,
        job_id=image.job_id,
        index=image.index,
        uploaded_at=image.created_at,
        sealed_details=sealed_details,
    )


def ready(event: ImageUploadedV1, sealed_placeholder: Sealed | None) -> ImageReadyV1:
    """Return the event that tells that an image has its thumbnails."""
    return ImageReadyV1(
        user_id=event.user_id,
        image_id=event.image_id,
        job_id=event.job_id,
        index=event.index,
        sealed_placeholder=sealed_placeholder,
    )


def captioned(user_id: UUID, image_id: UUID, sealed_caption: Sealed | None) -> ImageCaptionedV1:
    """Return the event that tells of a new caption, or of none."""
    return ImageCaptionedV1(
        user_id=user_id, image_id=image_id, sealed_caption=sealed_caption, captioned_at=now()
    )
