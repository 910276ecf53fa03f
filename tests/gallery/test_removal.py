"""What goes by itself: uploads that nobody completes, and objects that belong to nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from libs.common import storage as storage_module
from libs.common.bus.outbox import Outbox
from libs.common.clock import new_id, now
from libs.common.clock_guard import ClocksApart
from libs.common.errors import Unavailable
from libs.common.privacy.removals import Removals
from libs.common.privacy.writes import Writes
from libs.common.storage import Storage
from libs.common.work import UnitOfWork
from services.gallery import repository
from services.gallery.models import Image, ImageState, Upload
from services.gallery.objects import BUCKET, ImageObjects
from services.gallery.privacy import HOLDINGS, OBJECTS
from services.gallery.removal import Removal
from services.gallery.repository import ImageRepository, UploadRepository
from tests.clocks import off_by
from tests.gallery.house import House, Person, photograph, post

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


async def test_nothing_is_too_old_by_a_clock_that_is_ahead(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data))
    await post(ticket, data)
    removes = removal(house, timedelta(minutes=15))
    for each in (removes.expire_uploads, removes.remove_orphans):
        with off_by(timedelta(days=366)), pytest.raises(ClocksApart):
            await each()
    assert await uploads(house, person.id) == 1
    assert await house.objects(person.id) == [f"incoming/{ticket['upload_id']}"]


async def test_more_uploads_than_one_batch_expire(house: House) -> None:
    person = house.person()
    begun: dict[str, Any] = {"user_id": person.id, "media_type": "image/png", "size_bytes": 1}
    begun["created_at"] = now() - timedelta(hours=1)
    old = [Upload(id=new_id(), **begun).to_mongo() for _ in range(100)]
    await house.mongo.collection(Upload).insert_many(old)
    ended = await removal(house, timedelta(minutes=15)).expire_uploads()
    assert ended == 100
    assert await uploads(house, person.id) == 0


async def test_an_upload_whose_caption_cannot_be_opened_ends_as_any_other(house: House) -> None:
    person = house.person()
    ticket = await person.begin(1, caption="never shown")
    plain = {"$set": {"caption": "never sealed"}}
    await house.mongo.collection("uploads").update_one({"_id": UUID(ticket["upload_id"])}, plain)
    assert await removal(house).expire_uploads() >= 1
    assert await uploads(house, person.id) == 0


async def test_an_upload_that_cannot_be_ended_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "BATCH", 1)
    stuck, other = house.person(), house.person()
    for person in (stuck, other):
        await person.begin(1)
    remove = UploadRepository.remove

    async def refused(self: UploadRepository, user_id: UUID, upload_id: UUID) -> bool:
        if user_id == stuck.id:
            raise OSError("it has gone")
        return await remove(self, user_id, upload_id)

    with monkeypatch.context() as patched:
        patched.setattr(UploadRepository, "remove", refused)
        await removal(house).expire_uploads()
    assert (await uploads(house, stuck.id), await uploads(house, other.id)) == (1, 0)
    await removal(house).expire_uploads()
    assert await uploads(house, stuck.id) == 0


async def test_a_frozen_persons_uploads_are_left_to_the_erasure(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data))
    await post(ticket, data)
    await house.tombstones.set(person.id, new_id())
    await removal(house).expire_uploads()
    assert await uploads(house, person.id) == 1
    assert await house.objects(person.id) == [f"incoming/{ticket['upload_id']}"]


async def deleted_while_held(house: House, person: Person) -> UUID:
    """Return an image that its person deleted while it was held, and that is held no more."""
    image_id = UUID((await person.upload())["id"])
    await person.ready(str(image_id))
    change = {"$set": {"state": ImageState.DELETING.value, "deletion_waits": True}}
    await house.mongo.collection(Image).update_one({"_id": image_id}, change)
    return image_id


async def test_what_a_frozen_person_deleted_is_left_to_the_erasure_and_in_nobodys_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "BATCH", 1)
    frozen, person = house.person(), house.person()
    left = await deleted_while_held(house, frozen)
    await deleted_while_held(house, person)
    kept = await house.objects(frozen.id)
    await house.tombstones.set(frozen.id, new_id())

    assert await removal(house).finish_deletions() == 1

    assert [row.id for row in await house.rows(frozen.id)] == [left]
    assert await house.objects(frozen.id) == kept != []
    assert (await house.objects(person.id), await house.rows(person.id)) == ([], [])


async def test_an_image_that_cannot_be_removed_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = house.person()
    stuck, other = sorted([await deleted_while_held(house, person) for _ in range(2)])
    remove_image = ImageObjects.remove_image

    async def refused(self: ImageObjects, user_id: UUID, image_id: UUID) -> None:
        if image_id == stuck:
            raise Unavailable("the object store does not answer")
        await remove_image(self, user_id, image_id)

    with monkeypatch.context() as patched:
        patched.setattr(ImageObjects, "remove_image", refused)
        assert await removal(house).finish_deletions() == 1
    assert [row.id for row in await house.rows(person.id)] == [stuck]
    assert not [name for name in await house.objects(person.id) if name.startswith(str(other))]
    assert await removal(house).finish_deletions() == 1, "it is left for the next time"
    assert await house.objects(person.id) == []


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


async def test_an_object_of_nothing_that_cannot_be_removed_holds_up_no_other(
    house: House, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page holds one."""
    person = house.person()
    strays = sorted(f"{house.prefix(person.id)}/{new_id()}/original" for _ in range(2))
    for stray in strays:
        await storage.put(BUCKET, stray, b"left", "image/jpeg")
    remove_orphans = ImageObjects.remove_orphans

    async def refused(self: ImageObjects, names: list[str]) -> None:
        if strays[0] in names:
            raise Unavailable("1 of 1 versions could not be deleted: AccessDenied")
        await remove_orphans(self, names)

    with monkeypatch.context() as patched:
        patched.setattr(storage_module, "MOST_AT_ONCE", 1)
        patched.setattr(ImageObjects, "remove_orphans", refused)
        assert await removal(house).remove_orphans() >= 1
    assert [f"{house.prefix(person.id)}/{name}" for name in await house.objects(person.id)] == strays[:1]
    assert await removal(house).remove_orphans() >= 1
    assert await house.objects(person.id) == []
