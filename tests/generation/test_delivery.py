"""From a finished job to the gallery of its person, and what becomes of the temporary objects."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from libs.common import storage as storage_module
from libs.common.clock import new_id
from libs.common.errors import Unavailable
from libs.common.privacy.holdings import locator
from libs.common.settings import CommonSettings
from libs.common.testing.waiting import eventually
from services.gallery.objects import BUCKET as GALLERY
from services.generation.backends.base import Rendered
from services.generation.delivery import Delivery
from services.generation.objects import BUCKET, JobObjects
from services.generation.repository import JobRepository
from tests.gallery.house import API, open_house
from tests.gallery.house import House as Gallery
from tests.gallery.house import Person as Visitor
from tests.generation.house import House

STILL = Rendered(b"left over", "image/webp", 256, 256)


@pytest.fixture(scope="module")
async def gallery(common_settings: CommonSettings) -> AsyncIterator[Gallery]:
    """Run gallery beside generation."""
    async with open_house(common_settings) as running:
        yield running


async def test_finished_images_are_delivered_and_let_go(house: House, gallery: Gallery) -> None:
    person = house.person()
    visitor = gallery.person(person.id)
    job = await person.start("a market at dawn", count=3)
    done = await person.in_state(job["id"], "completed")
    ids = [image["image_id"] for image in done["images"]]

    images = [await eventually_ready(visitor, image_id) for image_id in ids]

    for index, image in enumerate(images):
        assert (image["source"], image["job_id"], image["index"]) == ("generation", job["id"], index)
        assert (image["media_type"], image["width"], image["height"]) == ("image/webp", 256, 256)
        assert (await visitor.fetch(f"{API}/images/{image['id']}/download")).content[:4] == b"RIFF"
    await eventually(lambda: _nothing_waits(house, person.id))
    after = await person.job(job["id"])
    assert all(image["delivered"] for image in after["images"])
    assert [each["id"] for each in (await visitor.list())["items"]] == ids[::-1]


async def test_the_bytes_are_those_that_were_drawn(house: House, gallery: Gallery) -> None:
    first, second = house.person(), house.person()
    jobs = [await person.start("a windmill", seed=5) for person in (first, second)]
    originals = []
    for person, job in zip((first, second), jobs, strict=True):
        done = await person.in_state(job["id"], "completed")
        image_id = done["images"][0]["image_id"]
        await eventually_ready(gallery.person(person.id), image_id)
        name = f"{gallery.prefix(person.id)}/{image_id}/original"
        originals.append(await gallery.storage.get(GALLERY, name, 10**7))
    assert originals[0] == originals[1]
    assert b"trainedAlgorithmicMedia" in originals[0] or b"xmp" in originals[0].lower()


async def test_an_image_deleted_on_its_arrival_is_let_go_as_well(house: House, gallery: Gallery) -> None:
    person = house.person()
    visitor = gallery.person(person.id)
    job = await person.start()
    done = await person.in_state(job["id"], "completed")
    image_id = done["images"][0]["image_id"]

    async def deleted() -> bool:
        return (await visitor.client.delete(f"{API}/images/{image_id}")).status_code == 204

    await eventually(deleted)
    await eventually(lambda: _nothing_waits(house, person.id))
    await eventually(lambda: _nothing_kept(gallery, person.id))


async def test_leftovers_go_and_what_is_waited_for_stays(house: House) -> None:
    person = house.person()
    cancelled, waiting = await person.submit(), await person.submit()
    await person.cancel(cancelled["id"])
    objects = house.objects_of_jobs()
    for job in (cancelled, waiting):
        row = await house.stored(job["id"])
        assert row is not None
        await objects.keep(row, 0, STILL)
    stray = f"{(await house.objects(person.id))[0].split('/')[0]}/{new_id()}/0"
    await house.storage.put(BUCKET, stray, b"left over", "image/webp")

    assert await _sweep(house, timedelta(hours=1)) == 0
    assert await _sweep(house, timedelta(0)) >= 2

    (kept,) = await house.objects(person.id)
    assert waiting["id"] in kept


async def test_leftovers_go_of_a_job_whose_order_cannot_be_opened(house: House) -> None:
    person = house.person()
    job = await person.submit()
    await person.cancel(job["id"])
    row = await house.stored(job["id"])
    assert row is not None
    await house.objects_of_jobs().keep(row, 0, STILL)
    plain = {"$set": {"order": "never sealed"}}
    await house.mongo.collection("jobs").update_one({"_id": row.id}, plain)
    assert await _sweep(house, timedelta(0)) >= 1
    assert await house.objects(person.id) == []
    await house.mongo.collection("jobs").delete_one({"_id": row.id})


async def test_a_leftover_that_cannot_be_removed_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page holds one."""
    person = house.person()
    prefix = locator(house.settings.pseudonym_key, person.id)
    strays = sorted(f"{prefix}/{new_id()}/0" for _ in range(2))
    for stray in strays:
        await house.storage.put(BUCKET, stray, b"left over", "image/webp")
    remove_leftovers = JobObjects.remove_leftovers

    async def refused(self: JobObjects, names: list[str]) -> None:
        if strays[0] in names:
            raise Unavailable("1 of 1 versions could not be deleted: AccessDenied")
        await remove_leftovers(self, names)

    with monkeypatch.context() as patched:
        patched.setattr(storage_module, "MOST_AT_ONCE", 1)
        patched.setattr(JobObjects, "remove_leftovers", refused)
        assert await _sweep(house, timedelta(0)) >= 1
    assert await house.objects(person.id) == strays[:1]
    assert await _sweep(house, timedelta(0)) >= 1
    assert await house.objects(person.id) == []


async def eventually_ready(visitor: Visitor, image_id: str) -> dict[str, Any]:
    """Wait until an image has come into the gallery and has its thumbnails."""

    async def arrived() -> bool:
        return (await visitor.client.get(f"{API}/images/{image_id}")).status_code == 200

    await eventually(arrived, within_s=60)
    return await visitor.ready(image_id)


async def _nothing_waits(house: House, user_id: UUID) -> bool:
    return not await house.objects(user_id)


async def _nothing_kept(gallery: Gallery, user_id: UUID) -> bool:
    return not await gallery.objects(user_id) and not await gallery.rows(user_id)


async def _sweep(house: House, leftover_after: timedelta) -> int:
    objects = house.objects_of_jobs()
    delivery = Delivery(
        JobRepository(house.mongo), objects, sweep_every_s=3600, leftover_after=leftover_after
    )
    return await delivery.sweep()
