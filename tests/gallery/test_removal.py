"""What goes by itself: uploads that nobody completes, and objects that belong to nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from libs.common.bus.outbox import Outbox
from libs.common.clock import new_id, now
from libs.common.privacy.removals import Removals
from libs.common.privacy.writes import Writes
from libs.common.storage import Storage
from libs.common.work import UnitOfWork
from services.gallery.models import Upload
from services.gallery.objects import BUCKET, ImageObjects
from services.gallery.privacy import HOLDINGS, OBJECTS
from services.gallery.removal import Removal
from services.gallery.repository import ImageRepository, UploadRepository
from tests.gallery.house import House, photograph, post

AGED = timedelta(seconds=0)
"""For these tests everything is old enough at once."""


def removal(house: House, expires_after: timedelta = AGED) -> Removal:
    """Return gallery's removal as its worker has it, with another idea of what is old."""
    mongo, tombstones = house.mongo, house.tombstones
    removals = Removals(HOLDINGS, OBJECTS, mongo, house.storage, tombstones)
    return Removal(
        ImageRepository(mongo),
        UploadRepository(mongo),
        UnitOfWork(mongo, Outbox(mongo, "gallery"), tombstones),
        ImageObjects(house.storage, removals, Writes(mongo, tombstones), house.settings.pseudonym_key),
        expires_after=expires_after,
        sweep_every_s=3600,
        orphans_every_s=3600,
    )


async def uploads(house: House, user_id: UUID) -> int:
    return await house.mongo.collection(Upload).count({"user_id": user_id})


async def test_an_upload_that_nobody_completes_is_removed(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data), caption="never shown")
    await post(ticket, data)

    await removal(house, timedelta(minutes=15)).expire_uploads()
    assert await house.objects(person.id) == [f"incoming/{ticket['upload_id']}"]

    await removal(house).expire_uploads()
    assert await house.objects(person.id) == []
    assert await uploads(house, person.id) == 0
    assert (await person.complete(ticket["upload_id"])).json()["code"] == "upload-not-found"


async def test_a_completed_upload_expires_and_its_image_stays(house: House) -> None:
    person = house.person()
    image = await person.upload()
    await person.ready(image["id"])
    before = await house.objects(person.id)
    assert await uploads(house, person.id) == 1

    await removal(house).expire_uploads()

    assert await uploads(house, person.id) == 0
    assert await house.objects(person.id) == before
    assert (await person.complete(image["id"])).json() == await person.image(image["id"])


async def test_more_uploads_than_one_batch_expire(house: House) -> None:
    person = house.person()
    begun: dict[str, Any] = {"user_id": person.id, "media_type": "image/png", "size_bytes": 1}
    begun["created_at"] = now() - timedelta(hours=1)
    old = [Upload(id=new_id(), **begun).to_mongo() for _ in range(100)]
    await house.mongo.collection(Upload).insert_many(old)
    ended = await removal(house, timedelta(minutes=15)).expire_uploads()
    assert ended == 100
    assert await uploads(house, person.id) == 0


async def test_a_frozen_persons_uploads_are_left_to_the_erasure(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data))
    await post(ticket, data)
    await house.tombstones.set(person.id, new_id())
    await removal(house).expire_uploads()
    assert await uploads(house, person.id) == 1
    assert await house.objects(person.id) == [f"incoming/{ticket['upload_id']}"]


async def test_objects_of_nothing_are_removed_and_all_others_stay(house: House, storage: Storage) -> None:
    person = house.person()
    image = await person.upload()
    await person.ready(image["id"])
    data = photograph()
    under_way = await person.begin(len(data))
    await post(under_way, data)
    kept = await house.objects(person.id)
    strays = ["incoming/" + str(new_id()), f"{new_id()}/original", f"{new_id()}/small", "neither"]
    for stray in strays:
        await storage.put(BUCKET, f"{house.prefix(person.id)}/{stray}", b"left", "image/jpeg")

    await removal(house, timedelta(minutes=15)).remove_orphans()
    assert len(await house.objects(person.id)) == len(kept) + len(strays), "too young"

    assert await removal(house).remove_orphans() >= len(strays)

    assert await house.objects(person.id) == kept
