"""Images that generation made, brought into the gallery of the person who asked for them."""

import asyncio
from datetime import datetime
from functools import partial
from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.clock import now
from libs.common.errors import SubjectErased
from libs.common.events.generation import GenerationCompletedV1
from libs.common.privacy.tombstones import Tombstones
from libs.common.storage import ObjectMissing, together
from libs.common.work import UnitOfWork
from services.gallery.announcing import uploaded
from services.gallery.metrics import IMAGES
from services.gallery.models import Image, ImageState
from services.gallery.objects import ImageObjects
from services.gallery.processing import Processing
from services.gallery.repository import ImageRepository

TOLD_WITHIN_S = 15.0
"""How long generation may have erased a person before we are told to.
Source:   `make chaos`, seed 9: it had for a moment, and the images that were missing became a dead letter.
"""
LOOK_EVERY_S = 0.5


class Imports:
    """Fetches finished images from generation's bucket."""

    def __init__(
        self,
        images: ImageRepository,
        work: UnitOfWork,
        objects: ImageObjects,
        processing: Processing,
        tombstones: Tombstones,
    ) -> None:
        self._images, self._work, self._tombstones = images, work, tombstones
        self._objects, self._processing = objects, processing

    async def fetch(self, event: GenerationCompletedV1, once: Once) -> None:
        """Copy a job's images, inside the object store, and enter them.

        Raises:   ObjectMissing: dead letter.  SubjectErased: dropped, with nothing left behind.
        Effects:  an object and an image each; publishes image.uploaded for each.
        """
        parts, at = enumerate(zip(event.image_ids, event.object_names, strict=True)), now()
        try:
            images = await together(
                self._fetch(event, index, image_id, name, at) for index, (image_id, name) in parts
            )
            await once(partial(self._enter, images))
        except ObjectMissing:
            await self._refuse_if_erased(event.user_id)
            raise
        except SubjectErased:
            # Those that another worker has entered stay.
            for image_id in await self._images.missing(event.image_ids):
                await self._objects.remove_original(event.user_id, image_id)
            raise
        IMAGES.labels("generation").inc(len(images))

    async def _refuse_if_erased(self, user_id: UUID) -> None:
        """Find out whether images are gone with their person. Raises: SubjectErased: they are."""
        deadline = asyncio.get_running_loop().time() + TOLD_WITHIN_S
        while asyncio.get_running_loop().time() < deadline:
            await self._tombstones.refuse(user_id)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _fetch(
        self, event: GenerationCompletedV1, index: int, image_id: UUID, name: str, at: datetime
    ) -> Image:
        """Copy one image; its size in pixels is read from the bytes, which stay as they are."""
        data = await self._objects.generated(name)
        seen = await self._processing.measure(data)
        await self._objects.take_over(name, event.user_id, image_id)
        return Image(
            id=image_id,
            user_id=event.user_id,
            state=ImageState.PROCESSING,
            source="generation",
            media_type=seen.media_type,
            size_bytes=len(data),
            width=seen.width,
            height=seen.height,
            job_id=event.job_id,
            index=index,
            created_at=at,
        )

    async def _enter(self, images: list[Image]) -> None:
        await self._images.insert_many(images)
        await self._work.outbox.add(*map(uploaded, images))
