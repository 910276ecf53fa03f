"""A second attempt that was frozen and goes on when its image is there, and held: it takes nothing of it away."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from functools import partial
from typing import TypeVar
from uuid import UUID

import pytest

from libs.common.clock import new_id
from libs.common.errors import SubjectErased
from libs.common.events.gallery import ImageUploadedV1
from libs.common.events.generation import GenerationCompletedV1
from libs.common.privacy.item_holds import HoldState, ItemHold, ItemHolds
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from services.gallery.errors import UploadNotFound
from services.gallery.models import Image, Size
from services.gallery.objects import GENERATED
from services.gallery.privacy import HOLDINGS
from services.gallery.uploads import Uploads
from tests.gallery.house import API, House, Person, photograph, post

T = TypeVar("T")


class Frozen:
    """Another API's uploads, frozen when the original is stored and its row is not."""

    def __init__(self, house: House) -> None:
        self.uploads: Uploads = copy(house.service.uploads)
        self.uploads._turns = copy(self.uploads._turns)
        objects = self.uploads._objects = copy(self.uploads._objects)
        self.reached, self.thawed, self._keep = asyncio.Event(), asyncio.Event(), objects.keep
        objects.keep = self._keep_and_freeze  # type: ignore[method-assign]

    async def _keep_and_freeze(self, image: Image, data: bytes) -> None:
        await self._keep(image, data)
        self.reached.set()
        await self.thawed.wait()


async def completed_while_another_is_frozen(
    house: House, person: Person
) -> tuple[UUID, Frozen, asyncio.Task[Image]]:
    """Return an image that one API made of an upload, and the other, which has it in hand."""
    data, frozen = photograph(), Frozen(house)
    ticket = await person.begin(len(data))
    await post(ticket, data)
    image_id = UUID(ticket["upload_id"])
    second = asyncio.create_task(frozen.uploads.complete(person.id, image_id))
    await asyncio.wait_for(frozen.reached.wait(), 60)
    assert (await person.complete(str(image_id))).status_code == 201
    await person.ready(str(image_id))
    return image_id, frozen, second


async def held_and_deleted(house: House, person: Person, image_id: UUID) -> None:
    """Hold an image, then have its person delete it: it is hidden, and waits."""
    hold = ItemHold(id=new_id(), holding="gallery.images", item_id=image_id, state=HoldState.PLACING)
    assert (await ItemHolds(HOLDINGS, house.mongo).place(hold)).state is HoldState.IN_FORCE
    assert (await person.client.delete(f"{API}/images/{image_id}")).status_code == 204

    async def waits() -> bool:
        return [row.deletion_waits for row in await house.rows(person.id)] == [True]

    await eventually(waits)


def parts_of(image_id: UUID) -> list[str]:
    return [f"{image_id}/{part}" for part in ("large", "original", "small")]


async def kept(house: House, person: Person) -> list[str]:
    """Return the names of a person's objects, however many versions each has."""
    return sorted(set(await house.objects(person.id)))


async def test_a_held_image_that_its_person_deleted_keeps_its_original(house: House) -> None:
    person = house.person()
    image_id, frozen, second = await completed_while_another_is_frozen(house, person)
    await held_and_deleted(house, person, image_id)
    frozen.thawed.set()
    with pytest.raises(UploadNotFound):
        await second
    assert await kept(house, person) == parts_of(image_id)


async def test_an_image_of_a_frozen_account_keeps_its_original(house: House) -> None:
    person = house.person()
    image_id, frozen, second = await completed_while_another_is_frozen(house, person)
    await house.tombstones.set(person.id, new_id())
    frozen.thawed.set()
    with pytest.raises(SubjectErased):
        await second
    assert await kept(house, person) == parts_of(image_id)


async def test_an_original_that_has_no_row_goes(house: House) -> None:
    person, data, frozen = house.person(), photograph(), Frozen(house)
    ticket = await person.begin(len(data))
    await post(ticket, data)
    second = asyncio.create_task(frozen.uploads.complete(person.id, UUID(ticket["upload_id"])))
    await asyncio.wait_for(frozen.reached.wait(), 60)
    await house.tombstones.set(person.id, new_id())
    frozen.thawed.set()
    with pytest.raises(SubjectErased):
        await second
    assert await kept(house, person) == [f"incoming/{ticket['upload_id']}"]


async def test_an_image_from_generation_keeps_its_original_in_a_frozen_account(house: House) -> None:
    person, image_id = house.person(), new_id()
    name = f"{house.prefix(person.id)}/{new_id()}/0"
    await house.storage.put(GENERATED, name, photograph(), "image/jpeg")
    event = GenerationCompletedV1(
        user_id=person.id, job_id=new_id(), image_ids=[image_id], object_names=[name], credits=1
    )
    await house.say(event)

    async def arrived() -> bool:
        return bool(await house.rows(person.id))

    await eventually(arrived, within_s=60)
    await person.ready(str(image_id))
    await house.tombstones.set(person.id, new_id())
    with pytest.raises(SubjectErased):
        await house.service.imports.fetch(event, partial(fenced, house, person))
    assert await kept(house, person) == parts_of(image_id)


async def test_a_held_image_that_its_person_deleted_keeps_its_thumbnails(house: House) -> None:
    person = house.person()
    image_id = UUID((await person.upload())["id"])
    await person.ready(str(image_id))
    event = await announced(house, person)
    await held_and_deleted(house, person, image_id)
    await house.service.thumbnails.make(event, partial(fenced, house, person))
    assert await kept(house, person) == parts_of(image_id)


async def test_an_image_of_a_frozen_account_keeps_its_thumbnails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = house.person()
    image_id = UUID((await person.upload())["id"])
    await person.ready(str(image_id))
    event = await announced(house, person)
    objects = copy(house.service.thumbnails._objects)
    keep = objects.keep_thumbnails

    async def keep_and_be_overtaken(user_id: UUID, image_id: UUID, thumbnails: dict[Size, bytes]) -> None:
        await keep(user_id, image_id, thumbnails)
        await house.tombstones.set(person.id, new_id())

    monkeypatch.setattr(objects, "keep_thumbnails", keep_and_be_overtaken)
    second = copy(house.service.thumbnails)
    second._objects = objects
    with pytest.raises(SubjectErased):
        await second.make(event, partial(fenced, house, person))
    assert await kept(house, person) == parts_of(image_id)


async def announced(house: House, person: Person) -> ImageUploadedV1:
    """Return the event that announced a person's one image."""
    (event,) = await published(house.settings.kafka_bootstrap, ImageUploadedV1, person.id)
    return event


async def fenced(house: House, person: Person, work: Callable[[], Awaitable[T]]) -> T:
    """Commit an event's effect as a consumer does that has not heard of another one's."""
    return await house.service.uploads._work.run(work, subject=person.id)
