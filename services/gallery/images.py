"""A person's images: listed, shown, captioned, fetched, deleted."""

from functools import partial
from uuid import UUID

from libs.common.events.base import Sealed
from libs.common.events.gallery import ImageDeletedV1
from libs.common.mongo import Row
from libs.common.pagination import encode_cursor
from libs.common.work import UnitOfWork
from services.gallery.announcing import Seals, captioned
from services.gallery.errors import ImageNotFound, ThumbnailNotReady
from services.gallery.models import Image, ImageState, Size
from services.gallery.objects import ImageObjects
from services.gallery.repository import ImageRepository

LISTED = tuple((set(Image.model_fields) - {"id", "user_id"}) | {"_id"})


class Images:
    """What a person does with images that are there."""

    def __init__(
        self, images: ImageRepository, work: UnitOfWork, objects: ImageObjects, seals: Seals
    ) -> None:
        self._images, self._work, self._objects, self._seals = images, work, objects, seals

    async def page(self, user_id: UUID, cursor: str | None, limit: int) -> tuple[list[Row], str | None]:
        """Return a page of stored rows, newest first, and the cursor of the next one.

        Rows and not models: validating a page again costs more than reading it.
        """
        rows = await self._images.rows_of_page(user_id, cursor, limit + 1, LISTED)
        if len(rows) <= limit:
            return rows, None
        last = rows[limit - 1]
        return rows[:limit], encode_cursor(last["created_at"], last["_id"])

    async def find(self, user_id: UUID, image_id: UUID) -> Image:
        """Return a person's image. Raises ImageNotFound (404): absent or another person's."""
        image = await self._images.find(user_id, image_id)
        if image is None:
            raise ImageNotFound
        return image

    async def caption(self, user_id: UUID, image_id: UUID, caption: str | None) -> Image:
        """Change a caption, or take it away.

        Raises:   ImageNotFound (404).  SubjectErased (410).
        Effects:  the image; publishes image.captioned.
        Personal: the caption; sealed in the event.
        """
        sealed = await self._seals.text(user_id, caption)
        change = partial(self._caption, user_id, image_id, caption, sealed)
        return await self._work.run(change, subject=user_id)

    async def download_url(self, user_id: UUID, image_id: UUID) -> str:
        """Return where the image's own bytes can be fetched for five minutes. Raises ImageNotFound (404)."""
        return await self._objects.url_of(await self.find(user_id, image_id))

    async def thumbnail_url(self, user_id: UUID, image_id: UUID, size: Size) -> str:
        """Return where a thumbnail can be fetched for five minutes.

        Raises:   ImageNotFound (404).  ThumbnailNotReady (404).
        """
        image = await self.find(user_id, image_id)
        if image.state is not ImageState.READY:
            raise ThumbnailNotReady
        return await self._objects.url_of_thumbnail(user_id, image_id, size)

    async def delete(self, user_id: UUID, image_id: UUID) -> None:
        """Delete an image: hidden at once, then its objects go, then its row.

        Raises:   ImageNotFound (404).  SubjectErased (410).
        Effects:  the image is hidden; publishes image.deleted.
        """
        await self._work.run(partial(self._delete, user_id, image_id), subject=user_id)

    async def _caption(
        self, user_id: UUID, image_id: UUID, caption: str | None, sealed_caption: Sealed | None
    ) -> Image:
        image = await self._images.caption(user_id, image_id, caption)
        if image is None:
            raise ImageNotFound
        await self._work.outbox.add(captioned(user_id, image_id, sealed_caption))
        return image

    async def _delete(self, user_id: UUID, image_id: UUID) -> None:
        if not await self._images.hide(user_id, image_id):
            raise ImageNotFound
        await self._work.outbox.add(ImageDeletedV1(user_id=user_id, image_id=image_id))
