"""What goes: the objects of deleted images, uploads that were never completed, and objects that belong to nothing."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.clock_guard import agreed_now
from libs.common.errors import SubjectErased
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.gallery.metrics import DELETED, EXPIRED, ORPHANS
from services.gallery.objects import ImageObjects, owner_in
from services.gallery.repository import Begun, ImageRepository, UploadRepository

log = logger("gallery.removal")


class Removal:
    """Deletes for good: every version of every object, then the row."""

    def __init__(
        self,
        images: ImageRepository,
        uploads: UploadRepository,
        work: UnitOfWork,
        objects: ImageObjects,
        *,
        expires_after: timedelta,
        sweep_every_s: float,
        orphans_every_s: float,
    ) -> None:
        self._images, self._uploads, self._work, self._objects = images, uploads, work, objects
        self._expires_after = expires_after
        self._sweep_every_s, self._orphans_every_s = sweep_every_s, orphans_every_s

    async def remove_image(self, user_id: UUID, image_id: UUID, once: Once) -> None:
        """Delete a hidden image's objects, every version, then its row; one that is held only stays hidden.

        Raises:   what storage or database raise: retried.
        Effects:  the objects and the row go.
        """
        if await self._images.wait_for_hold(user_id, image_id):
            return
        await self._objects.remove_image(user_id, image_id)
        await once(partial(self._images.remove, user_id, image_id))
        DELETED.inc()

    async def expire_for_ever(self) -> None:
        """End deletions that waited, and uploads that nobody completes, for as long as the process lives."""
        while True:
            await self.finish_deletions()  # first: it goes by no clock, and the other may be refused for ours
            await self.expire_uploads()
            await asyncio.sleep(self._sweep_every_s)

    async def remove_orphans_for_ever(self) -> None:
        """Look over the bucket from time to time, for as long as the process lives."""
        while True:
            await asyncio.sleep(self._orphans_every_s)
            await self.remove_orphans()

    async def expire_uploads(self) -> int:
        """End uploads that were begun too long ago; return how many. A frozen person's are left to the erasure.

        The row goes first: whoever is completing the upload at this moment finds it gone and keeps nothing.

        Raises:   ClocksApart: every upload would have been begun too long ago.
        """
        ended = 0
        async for old in self._uploads.begun_before(await agreed_now(self._work.mongo) - self._expires_after):
            ended += sum(await asyncio.gather(*map(self._expire, old)))
        if ended:
            EXPIRED.inc(ended)
            log.info("gallery.uploads_expired", uploads=ended)
        return ended

    async def finish_deletions(self) -> int:
        """Delete what people deleted while it was held, and is not any more; return how many images went.

        A frozen person's are left to the erasure.
        """
        gone = 0
        async for waiting in self._images.let_go():
            gone += sum([await self._finish(row["user_id"], row["_id"]) for row in waiting])
        DELETED.inc(gone)
        return gone

    async def _finish(self, user_id: UUID, image_id: UUID) -> bool:
        """Delete one image; tell whether it went. What fails is tried again the next time.

        The fence is asked before an object is touched: a frozen person's may have to stay for long. For who is frozen
        only after that the deletion came first, and `Removals` counts it as the erasure's.
        """
        try:
            await self._work.tombstones.refuse(user_id)
            await self._objects.remove_image(user_id, image_id)
            await self._work.run(partial(self._images.remove, user_id, image_id), subject=user_id)
        except SubjectErased:
            return False
        except Exception as error:
            log.warning("image.not_removed", image_id=str(image_id), exc_info=error)
            return False
        return True

    async def _expire(self, upload: Begun) -> bool:
        """End one upload; tell whether it had become nothing until now. One that cannot be ended holds up no other.

        Its row is tried again the next time; an object that stays without it is an orphan.
        """
        remove = partial(self._uploads.remove, upload.user_id, upload.id)
        try:
            removed = await self._work.run(remove, subject=upload.user_id)
            await self._objects.remove_arrived(upload.user_id, upload.id)
        except SubjectErased:
            return False
        except Exception as error:
            log.warning("upload.not_ended", upload_id=str(upload.id), exc_info=error)
            return False
        return removed and not upload.completed

    async def remove_orphans(self) -> int:
        """Remove old objects that belong to no image and no upload; return how many.

        Such are left by a crash between an object and its row, and by a file posted after its upload expired.

        Raises:   ClocksApart: an object whose row is being written would be old.
        """
        before = await agreed_now(self._work.mongo) - self._expires_after
        removed = sum(
            [await self._remove_orphans_among(names, before) async for names in self._objects.pages()]
        )
        if removed:
            ORPHANS.inc(removed)
            log.info("gallery.orphans_removed", objects=removed)
        return removed

    async def _remove_orphans_among(self, names: list[str], before: datetime) -> int:
        """Remove the orphans of a page; return how many. Where it fails, the next look finds them again."""
        try:
            old = [name for name in await self._unclaimed(names) if await self._is_old(name, before)]
            orphans = await self._unclaimed(old)  # looked at again: a row may have come meanwhile
            await self._objects.remove_orphans(orphans)
        except Exception as error:
            log.warning("orphans.not_removed", objects=len(names), exc_info=error)
            return 0
        return len(orphans)

    async def _unclaimed(self, names: list[str]) -> list[str]:
        """Return the names that belong to no row."""
        owners = {name: owner_in(name) for name in names}
        uploads = await self._uploads.existing({key for arrived, key in owners.values() if arrived and key})
        images = await self._images.existing({key for arrived, key in owners.values() if key and not arrived})
        return [
            name for name, (arrived, key) in owners.items() if key not in (uploads if arrived else images)
        ]

    async def _is_old(self, name: str, before: datetime) -> bool:
        made_at = await self._objects.made_at(name)
        return made_at is None or made_at <= before
