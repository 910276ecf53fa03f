"""The only door to gallery's collections. Every query names the owner; what does not is maintenance."""

from collections.abc import AsyncIterator, Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.common.mongo import Collection as MongoCollection
from libs.common.mongo import DuplicateKeyError, Mongo, Row
from libs.common.pagination import after_cursor
from libs.common.privacy.rows import HELD
from services.gallery.errors import AlreadyCompleted
from services.gallery.models import Image, ImageState, Upload

NEWEST_FIRST = (("created_at", -1), ("_id", -1))
SHOWN = {"state": {"$ne": ImageState.DELETING.value}}
HELD_ROW = {HELD: {"$ne": None}}
BATCH = 32


class ImageRepository:
    """Images, by their owner; those being deleted are as good as gone."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Image)

    async def insert(self, image: Image) -> None:
        """Store a new image. Raises AlreadyCompleted: there is one of this id."""
        try:
            await self._rows.insert_one(image.to_mongo())
        except DuplicateKeyError as error:
            raise AlreadyCompleted from error

    async def insert_many(self, images: Collection[Image]) -> None:
        """Store new images in one round trip."""
        await self._rows.insert_many([image.to_mongo() for image in images])

    async def find(self, user_id: UUID, image_id: UUID) -> Image | None:
        """Return a person's image."""
        return _image(await self._rows.find_one({"_id": image_id, "user_id": user_id, **SHOWN}))

    async def rows_of_page(
        self, user_id: UUID, cursor: str | None, limit: int, fields: Collection[str]
    ) -> list[Row]:
        """Return a person's images behind the cursor, newest first, as stored: the fields that are asked for."""
        query = {"user_id": user_id, **SHOWN, **after_cursor(cursor)}
        projection = dict.fromkeys(fields, 1)
        return await self._rows.find(query, sort=NEWEST_FIRST, limit=limit, projection=projection)

    async def caption(self, user_id: UUID, image_id: UUID, caption: str | None) -> Image | None:
        """Change an image's caption; return it as it is then."""
        query = {"_id": image_id, "user_id": user_id, **SHOWN}
        return _image(await self._rows.find_one_and_update(query, {"$set": {"caption": caption}}))

    async def forget_details(self, user_id: UUID, until: datetime | None) -> None:
        """Remove when and with what a person's images were taken, from those made until a moment, or from all."""
        made = {} if until is None else {"created_at": {"$lte": until}}
        detailed = {"$or": [{"taken_at": {"$ne": None}}, {"camera": {"$ne": None}}]}
        query = {"user_id": user_id, **made, **detailed}
        while ids := [row["_id"] for row in await self._rows.find(query, projection={"_id": 1})]:
            forgotten = {"$set": {"taken_at": None, "camera": None}}
            await self._rows.update_many({"user_id": user_id, "_id": {"$in": ids}}, forgotten)

    async def make_ready(self, user_id: UUID, image_id: UUID, placeholder: str) -> bool:
        """Note that an image has its thumbnails; False where it waits for none."""
        query = {"_id": image_id, "user_id": user_id, "state": ImageState.PROCESSING.value}
        change = {"$set": {"state": ImageState.READY.value, "placeholder": placeholder}}
        return bool(await self._rows.update_one(query, change))

    async def hide(self, user_id: UUID, image_id: UUID) -> bool:
        """Hide an image that is to be deleted; False where there is none to hide."""
        query = {"_id": image_id, "user_id": user_id, **SHOWN}
        return bool(await self._rows.update_one(query, {"$set": {"state": ImageState.DELETING.value}}))

    async def wait_for_hold(self, user_id: UUID, image_id: UUID) -> bool:
        """Note that an image that is to be deleted is held, and goes later; False where it is not held."""
        query = {"_id": image_id, "user_id": user_id, "state": ImageState.DELETING.value, **HELD_ROW}
        return bool(await self._rows.update_one(query, {"$set": {"deletion_waits": True}}))

    def let_go(self) -> AsyncIterator[list[Row]]:
        """Yield, in pages, whose and which images were deleted while held, and are held no more, whoever's."""
        query = {"deletion_waits": True, HELD: None}
        return self._rows.pages(query, size=BATCH, projection={"_id": 1, "user_id": 1})

    async def remove(self, user_id: UUID, image_id: UUID) -> None:
        """Delete the row of an image whose objects are gone."""
        query = {"_id": image_id, "user_id": user_id, "state": ImageState.DELETING.value}
        await self._rows.delete_one(query)

    async def is_kept(self, user_id: UUID, image_id: UUID) -> bool:
        """Tell whether a person's image is to stay as it is: shown, or deleted while it was held."""
        query = {"_id": image_id, "user_id": user_id, "$or": [SHOWN, {"deletion_waits": True}, HELD_ROW]}
        return await self._rows.find_one(query, projection={"_id": 1}) is not None

    async def missing(self, image_ids: Collection[UUID]) -> set[UUID]:
        """Return which of these images there are not, hidden ones neither: nothing claims what was stored of them."""
        return set(image_ids) - await self.existing(image_ids)

    async def existing(self, image_ids: Iterable[UUID]) -> set[UUID]:
        """Return which of these images there are, whoever they belong to: for the removal of orphans only."""
        return await _existing(self._rows, image_ids)


class Begun(NamedTuple):
    """What there is to know of an upload to end it: nothing of it that is sealed is opened."""

    id: UUID
    user_id: UUID
    completed: bool


class UploadRepository:
    """Uploads under way, by their owner."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Upload)

    async def insert(self, upload: Upload) -> None:
        """Store an upload that begins."""
        await self._rows.insert_one(upload.to_mongo())

    async def find(self, user_id: UUID, upload_id: UUID) -> Upload | None:
        """Return a person's upload."""
        row = await self._rows.find_one({"_id": upload_id, "user_id": user_id})
        return None if row is None else Upload.from_mongo(row)

    async def mark_completed(self, user_id: UUID, upload_id: UUID) -> bool:
        """Note that an upload becomes an image; False where it has expired, or became one before."""
        query = {"_id": upload_id, "user_id": user_id, "completed": False}
        return bool(await self._rows.update_one(query, {"$set": {"completed": True}}))

    async def count_open(self, user_id: UUID, limit: int) -> int:
        """Count a person's uploads that are not completed, up to a limit."""
        return await self._rows.count({"user_id": user_id, "completed": False}, limit=limit)

    async def remove(self, user_id: UUID, upload_id: UUID) -> bool:
        """Delete an upload's row; False where it is gone."""
        return bool(await self._rows.delete_one({"_id": upload_id, "user_id": user_id}))

    async def begun_before(self, moment: datetime) -> AsyncIterator[list[Begun]]:
        """Yield the uploads begun before a moment, in pages, oldest first, whoever they belong to: to end them."""
        old, fields = {"created_at": {"$lte": moment}}, {"user_id": 1, "completed": 1, "created_at": 1}
        async for page in self._rows.pages(old, by="created_at", size=BATCH, projection=fields):
            yield [Begun(row["_id"], row["user_id"], row["completed"]) for row in page]

    async def existing(self, upload_ids: Iterable[UUID]) -> set[UUID]:
        """Return which of these uploads there are, whoever they belong to: for the removal of orphans only."""
        return await _existing(self._rows, upload_ids)


async def _existing(rows: MongoCollection, ids: Iterable[UUID]) -> set[UUID]:
    wanted = list(ids)
    found = await rows.find({"_id": {"$in": wanted}}, limit=len(wanted) or 1, projection={"_id": 1})
    return {row["_id"] for row in found}


def _image(row: Row | None) -> Image | None:
    return None if row is None else Image.from_mongo(row)
