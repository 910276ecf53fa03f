"""Uploads: the bytes go straight to the object store; here they are let in, checked, cleaned and kept."""

import asyncio
from dataclasses import dataclass
from functools import partial
from uuid import UUID
from weakref import WeakValueDictionary

from libs.common.clock import new_id, now
from libs.common.errors import SubjectErased, TooLarge
from libs.common.events.base import Sealed
from libs.common.storage import ObjectMissing, PresignedPost
from libs.common.work import UnitOfWork
from services.gallery.announcing import Seals, uploaded
from services.gallery.details import PhotoDetails
from services.gallery.errors import (
    AlreadyCompleted,
    BadImage,
    ImageTooLarge,
    NothingUploaded,
    TooManyUploads,
    UploadNotFound,
)
from services.gallery.metrics import IMAGES, UPLOADS
from services.gallery.models import MAX_BYTES, Image, ImageState, MediaType, Upload
from services.gallery.objects import ImageObjects
from services.gallery.processing import Cleaned, Processing
from services.gallery.repository import ImageRepository, UploadRepository


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to post one file."""

    upload_id: UUID
    form: PresignedPost


class Uploads:
    """Files on their way to become images. An image has the id of the upload it came from."""

    def __init__(  # noqa: PLR0917 - the composition root is its one caller
        self,
        images: ImageRepository,
        uploads: UploadRepository,
        work: UnitOfWork,
        objects: ImageObjects,
        processing: Processing,
        details: PhotoDetails,
        *,
        seals: Seals,
        in_hand: int,
        open_per_person: int,
    ) -> None:
        self._images, self._uploads, self._work = images, uploads, work
        self._objects, self._processing, self._seals = objects, processing, seals
        self._details = details
        self._in_hand, self._most_open = asyncio.Semaphore(in_hand), open_per_person
        # One file of a person at a time; whoever waits for a turn keeps the lock alive.
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def begin(
        self, user_id: UUID, media_type: MediaType, size_bytes: int, caption: str | None
    ) -> Ticket:
        """Let a person post one file of this type and at most this size, within five minutes.

        Args:     size_bytes: 1 to 25 MB.
        Raises:   ImageTooLarge (413).  TooManyUploads (429).  SubjectErased (410).
        Effects:  an upload.
        Personal: the caption.
        """
        if size_bytes > MAX_BYTES:
            raise ImageTooLarge
        upload = Upload(
            id=new_id(),
            user_id=user_id,
            media_type=media_type,
            size_bytes=size_bytes,
            caption=caption,
            created_at=now(),
        )
        await self._work.run(partial(self._begin, upload), subject=user_id)
        return Ticket(upload.id, await self._objects.let_in(user_id, upload.id, media_type, size_bytes))

    async def complete(self, user_id: UUID, upload_id: UUID) -> Image:
        """Turn a posted file into an image. Completing twice gives the same image.

        Raises:   UploadNotFound (404).  NothingUploaded (409).  BadImage, one of its kinds (4xx): the file is
                  removed, and another may be posted.  SubjectErased (410).
        Effects:  the original without its metadata; an image; publishes image.uploaded.
        Personal: caption, and when and with what the picture was taken; sealed in the event.
        """
        if done := await self._images.find(user_id, upload_id):
            return done
        upload = await self._uploads.find(user_id, upload_id)
        if upload is None or upload.completed:
            raise UploadNotFound
        async with self._turns.setdefault(user_id, asyncio.Lock()), self._in_hand:
            return await self._complete(upload)

    async def _begin(self, upload: Upload) -> None:
        """Enter an upload, unless too many are open; requests at one time may exceed it by as many as they are."""
        if await self._uploads.count_open(upload.user_id, self._most_open) >= self._most_open:
            raise TooManyUploads
        await self._uploads.insert(upload)

    async def _complete(self, upload: Upload) -> Image:
        try:
            cleaned = await self._checked(upload)
        except ObjectMissing as error:
            if done := await self._images.find(upload.user_id, upload.id):
                return done
            raise NothingUploaded from error
        detailed = await self._details.wanted(upload.user_id)
        image = _image(upload, cleaned, detailed=detailed)
        if not await self._store(image, cleaned.data):
            return await self._completed_before(image)
        if detailed:
            await self._details.look_again(image.user_id, image.created_at)
        await self._objects.remove_arrived(upload.user_id, upload.id)
        UPLOADS.labels("completed").inc()
        IMAGES.labels("upload").inc()
        return image

    async def _checked(self, upload: Upload) -> Cleaned:
        """Fetch and clean what arrived; what cannot be kept is removed."""
        try:
            data = await self._arrived(upload)
            return await self._processing.clean(data, upload.media_type)
        except BadImage as error:
            await self._objects.remove_arrived(upload.user_id, upload.id)
            UPLOADS.labels(error.code).inc()
            raise

    async def _arrived(self, upload: Upload) -> bytes:
        try:
            return await self._objects.arrived(upload.user_id, upload.id)
        except TooLarge as error:
            raise ImageTooLarge from error

    async def _store(self, image: Image, data: bytes) -> bool:
        """Store the original, then the row; False where another request was faster with the same bytes."""
        sealed = await self._seals.details(image)
        await self._objects.keep(image, data)
        try:
            await self._work.run(partial(self._enter, image, sealed), subject=image.user_id)
        except AlreadyCompleted:
            return False
        except (SubjectErased, UploadNotFound):
            await self._remove_unclaimed(image)
            raise
        return True

    async def _completed_before(self, image: Image) -> Image:
        """Return what the same bytes became already; where it is gone, what was just stored goes as well."""
        if done := await self._images.find(image.user_id, image.id):
            return done
        await self._remove_unclaimed(image)
        raise UploadNotFound

    async def _remove_unclaimed(self, image: Image) -> None:
        """Remove the original of an image that is not there: where another request was faster, it may be held."""
        if await self._images.missing([image.id]):
            await self._objects.remove_original(image.user_id, image.id)

    async def _enter(self, image: Image, sealed_details: Sealed | None) -> None:
        await self._images.insert(image)
        if not await self._uploads.mark_completed(image.user_id, image.id):
            raise UploadNotFound  # it expired while its bytes were looked at, or its image was deleted since
        await self._work.outbox.add(uploaded(image, sealed_details))


def _image(upload: Upload, cleaned: Cleaned, *, detailed: bool) -> Image:
    """Return the image that an upload becomes. Args: detailed: when and with what it was taken is kept."""
    return Image(
        id=upload.id,
        user_id=upload.user_id,
        state=ImageState.PROCESSING,
        source="upload",
        media_type=cleaned.media_type,
        size_bytes=len(cleaned.data),
        width=cleaned.width,
        height=cleaned.height,
        caption=upload.caption,
        taken_at=cleaned.taken_at if detailed else None,
        camera=cleaned.camera if detailed else None,
        created_at=now(),
    )
