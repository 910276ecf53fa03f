"""Where an image's bytes are: under server-made names that say nothing of anyone."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from pydantic import SecretStr

from libs.common.privacy.holdings import locator
from libs.common.privacy.removals import Removals
from libs.common.privacy.writes import Writes
from libs.common.storage import PresignedPost, Storage, together
from services.gallery.models import MAX_BYTES, Image, MediaType, Size

BUCKET = "pixera-gallery"
GENERATED = "pixera-generation"
INCOMING = "incoming"
THUMBNAIL_TYPE = "image/webp"
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


class ImageObjects:
    """The objects of people's images: `<locator>/<image>/original`, `small` and `large`, and what arrives.

    Args:     key: the pseudonym key; with it, a person's id leads to the prefix, and nothing leads back.
    """

    def __init__(self, storage: Storage, removals: Removals, writes: Writes, key: SecretStr) -> None:
        self._storage, self._removals, self._writes, self._key = storage, removals, writes, key

    async def let_in(
        self, user_id: UUID, upload_id: UUID, media_type: MediaType, max_bytes: int
    ) -> PresignedPost:
        """Return a form that posts one file of this type and at most this size, within five minutes."""
        name = self._incoming(user_id, upload_id)
        return await self._storage.presign_post(BUCKET, name, media_type=media_type, max_bytes=max_bytes)

    async def arrived(self, user_id: UUID, upload_id: UUID) -> bytes:
        """Return what was posted. Raises ObjectMissing: nothing was; TooLarge."""
        return await self._storage.get(BUCKET, self._incoming(user_id, upload_id), MAX_BYTES)

    async def keep(self, image: Image, data: bytes) -> None:
        """Store an image's own bytes. Raises SubjectErased: nothing is stored."""
        async with self._writes.under_way(image.user_id):
            await self._storage.put(BUCKET, self._part(image.user_id, image.id), data, image.media_type)

    async def keep_thumbnails(self, user_id: UUID, image_id: UUID, thumbnails: dict[Size, bytes]) -> None:
        """Store an image's thumbnails. Raises SubjectErased: nothing is stored."""
        async with self._writes.under_way(user_id):
            await together(
                self._storage.put(BUCKET, self._part(user_id, image_id, size), data, THUMBNAIL_TYPE)
                for size, data in thumbnails.items()
            )

    async def original(self, user_id: UUID, image_id: UUID) -> bytes:
        """Return an image's own bytes. Raises ObjectMissing."""
        return await self._storage.get(BUCKET, self._part(user_id, image_id), MAX_BYTES)

    async def generated(self, name: str) -> bytes:
        """Return an image that generation made. Raises ObjectMissing."""
        return await self._storage.get(GENERATED, name, MAX_BYTES)

    async def take_over(self, name: str, user_id: UUID, image_id: UUID) -> None:
        """Copy an image that generation made, inside the object store. Raises ObjectMissing, SubjectErased."""
        async with self._writes.under_way(user_id):
            await self._storage.copy(GENERATED, name, BUCKET, self._part(user_id, image_id))

    async def url_of(self, image: Image) -> str:
        """Return where an image's own bytes can be fetched for five minutes."""
        filename = f"image-{image.id}.{EXTENSIONS[image.media_type]}"
        name = self._part(image.user_id, image.id)
        return await self._storage.presign_get(BUCKET, name, filename=filename)

    async def url_of_thumbnail(self, user_id: UUID, image_id: UUID, size: Size) -> str:
        """Return where a thumbnail can be fetched for five minutes."""
        return await self._storage.presign_get(BUCKET, self._part(user_id, image_id, size))

    async def remove_arrived(self, user_id: UUID, upload_id: UUID) -> None:
        """Delete what was posted."""
        await self._removals.delete(user_id, [self._incoming(user_id, upload_id)])

    async def remove_original(self, user_id: UUID, image_id: UUID) -> None:
        """Delete an image's own bytes."""
        await self._removals.delete(user_id, [self._part(user_id, image_id)])

    async def remove_thumbnails(self, user_id: UUID, image_id: UUID) -> None:
        """Delete an image's thumbnails."""
        await self._removals.delete(user_id, [self._part(user_id, image_id, size) for size in Size])

    async def remove_image(self, user_id: UUID, image_id: UUID) -> None:
        """Delete all that belongs to an image."""
        await self._removals.delete_prefix(user_id, f"{self._home(user_id)}/{image_id}/")

    async def pages(self) -> AsyncIterator[list[str]]:
        """Yield the names of all objects, whoever's, at most a thousand at a time: to look for orphans."""
        async for page in self._storage.pages(BUCKET, ""):
            yield list(dict.fromkeys(version.name for version in page))

    async def made_at(self, name: str) -> datetime | None:
        """Return when an object was stored; None where it is gone."""
        stat = await self._storage.stat(BUCKET, name)
        return stat.modified if stat else None

    async def remove_orphans(self, names: list[str]) -> None:
        """Delete objects that belong to nobody's image or upload."""
        await self._storage.delete(BUCKET, names)

    def _home(self, user_id: UUID) -> str:
        return locator(self._key, user_id)

    def _incoming(self, user_id: UUID, upload_id: UUID) -> str:
        return f"{self._home(user_id)}/{INCOMING}/{upload_id}"

    def _part(self, user_id: UUID, image_id: UUID, size: Size | None = None) -> str:
        return f"{self._home(user_id)}/{image_id}/{size.value if size else 'original'}"


def owner_in(name: str) -> tuple[bool, UUID | None]:
    """Return whether an object's name is of something that arrived, and the id of its upload or image."""
    parts = name.split("/")
    arrived = len(parts) > 1 and parts[1] == INCOMING
    try:
        return arrived, UUID(parts[2] if arrived else parts[1])
    except (ValueError, IndexError):
        return arrived, None
