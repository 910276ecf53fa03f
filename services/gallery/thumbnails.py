"""Thumbnails and placeholders, made by the worker from what is stored."""

from functools import partial

from libs.common.bus.consumes import Once
from libs.common.errors import SubjectErased
from libs.common.events.base import Sealed
from libs.common.events.gallery import ImageUploadedV1
from libs.common.storage import ObjectMissing
from libs.common.work import UnitOfWork
from services.gallery.announcing import Seals, ready
from services.gallery.details import PhotoDetails
from services.gallery.objects import ImageObjects
from services.gallery.processing import Processing
from services.gallery.repository import ImageRepository


class Thumbnails:
    """Makes what lists of images are shown with."""

    def __init__(
        self,
        images: ImageRepository,
        work: UnitOfWork,
        objects: ImageObjects,
        processing: Processing,
        details: PhotoDetails,
        *,
        seals: Seals,
    ) -> None:
        self._images, self._work, self._seals = images, work, seals
        self._details = details
        self._objects, self._processing = objects, processing

    async def make(self, event: ImageUploadedV1, once: Once) -> None:
        """Make an image's thumbnails and placeholder. An image that was deleted meanwhile gets none, unless held.

        Raises:   SubjectErased: dropped, with nothing left behind.  What storage or database raise: retried.
        Effects:  two objects; the image is ready, without the details that its person objects to; publishes
                  image.ready.
        """
        user_id, image_id = event.user_id, event.image_id
        if event.sealed_details is not None:
            await self._details.look_again(user_id, event.uploaded_at)
        try:
            data = await self._objects.original(user_id, image_id)
        except ObjectMissing:
            return
        made = await self._processing.thumbnails(data)
        await self._objects.keep_thumbnails(user_id, image_id, made.images)
        try:
            sealed = await self._seals.text(user_id, made.placeholder)
            done = await once(partial(self._make_ready, event, made.placeholder, sealed))
        except SubjectErased:
            if await self._images.missing([image_id]):
                await self._objects.remove_thumbnails(user_id, image_id)
            raise
        if not done and not await self._images.is_kept(user_id, image_id):
            await self._objects.remove_thumbnails(user_id, image_id)

    async def _make_ready(self, event: ImageUploadedV1, placeholder: str, sealed: Sealed | None) -> bool:
        if not await self._images.make_ready(event.user_id, event.image_id, placeholder):
            return False
        await self._work.outbox.add(ready(event, sealed))
        return True
