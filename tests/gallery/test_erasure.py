"""A person who is erased: what gallery holds of them goes, to the last version."""

import asyncio
from typing import TypeVar
from uuid import uuid4

from libs.common.bus.letters.rows import DeadLetter
from libs.common.bus.outbox import Outbox, OutboxRow
from libs.common.clock import new_id
from libs.common.events.base import Event
from libs.common.events.generation import GenerationCompletedV1
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    InventoryCompletedV1,
    InventoryRequestedV1,
)
from libs.common.privacy.holder import Holder
from libs.common.testing.metrics import metric
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from services.gallery.models import Upload
from services.gallery.privacy import HOLDINGS
from tests.gallery.house import API, House, Person, photograph, post

E = TypeVar("E", bound=Event)


async def test_everything_goes_and_adds_up(house: House) -> None:
    person, other = house.person(), house.person()
    images = [await person.upload(caption="private") for _ in range(3)]
    kept = await other.upload(caption="stays")
    for image in images:
        await person.ready(image["id"])
    data = photograph()
    under_way = await person.begin(len(data))
    await post(under_way, data)

    found = await _inventory(house, person)
    erased = await _erase(house, person)

    assert found == erased
    held = {holding: count for holding, count in found.items() if count}
    assert held == {"gallery.images": 3, "gallery.uploads": 4, "gallery.image-objects": 10}
    assert await house.objects(person.id) == []
    assert await house.rows(person.id) == []
    assert await house.mongo.collection(Upload).count({"user_id": person.id}) == 0
    await other.ready(kept["id"])
    assert len(await house.objects(other.id)) == 3


async def test_what_is_under_way_when_the_erasure_comes_leaves_nothing(house: House) -> None:
    person = house.person()
    uploading = [asyncio.create_task(person.send(photograph(1600, 1200))) for _ in range(5)]
    images = [await person.upload() for _ in range(2)]
    assert (await person.client.delete(f"{API}/images/{images[0]['id']}")).status_code == 204

    found = await _inventory(house, person)
    answer = await _erasure(house, person)

    await asyncio.gather(*uploading, return_exceptions=True)
    # The deleted image's row may go between the two by itself: it was counted, and is gone already.
    explained = {each.holding: each.erased + each.already_gone for each in answer.holdings}
    assert all(explained[holding] >= count for holding, count in found.items()), (found, answer)
    await asyncio.sleep(1)  # time for what was under way to arrive late
    await _sweep_late(house)
    assert await house.objects(person.id) == []
    assert await house.rows(person.id) == []
    assert await house.mongo.collection(OutboxRow).count({"key": str(person.id)}) == 0


async def test_a_file_posted_after_the_erasure_is_swept(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data))
    await _inventory(house, person)
    await _erase(house, person)

    assert (await post(ticket, data)).status_code == 204, "the form is good for five minutes"
    assert (await person.complete(ticket["upload_id"])).status_code == 404
    assert len(await house.objects(person.id)) == 1

    await _sweep_late(house)
    assert await house.objects(person.id) == []


async def test_images_that_arrive_from_generation_after_the_erasure_are_refused(house: House) -> None:
    person = house.person()
    await _inventory(house, person)
    await _erase(house, person)
    await house.say(_drawn(house, person))
    await asyncio.sleep(1)
    assert await house.rows(person.id) == []
    assert await house.objects(person.id) == []


async def test_images_that_generation_erased_before_we_were_told_to_are_no_dead_letter(house: House) -> None:
    person, before = house.person(), _passed_over()
    await house.say(_drawn(house, person))
    await asyncio.sleep(2)  # it has seen that they are missing
    await _inventory(house, person)
    await _erase(house, person)
    await eventually(lambda: asyncio.sleep(0, result=_passed_over() == before + 1))
    assert await house.mongo.collection(DeadLetter).count({}) == 0


async def test_who_is_erased_can_upload_nothing_more(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data))
    await post(ticket, data)
    await _inventory(house, person)
    body = {"media_type": "image/jpeg", "size_bytes": 10}
    assert (await person.client.post(f"{API}/uploads", json=body)).status_code == 410
    answer = await person.complete(ticket["upload_id"])
    assert (answer.status_code, answer.json()["code"]) == (410, "subject-erased")
    assert await house.objects(person.id) == [f"incoming/{ticket['upload_id']}"]


def _drawn(house: House, person: Person) -> GenerationCompletedV1:
    """Return what generation says of an image that is in its bucket no more."""
    return GenerationCompletedV1(
        user_id=person.id,
        job_id=new_id(),
        image_ids=[new_id()],
        object_names=[f"{house.prefix(person.id)}/{new_id()}/0"],
        credits=1,
    )


def _passed_over() -> float:
    """Return how many events of generation were passed over because their person is erased."""
    labels = {"group": "gallery.import-images", "topic": "generation.completed", "outcome": "erased"}
    return metric("pixera_consumer_events_total", **labels)


async def _inventory(house: House, person: Person) -> dict[str, int]:
    """Ask for the inventory, as privacy does; return what was found."""
    await house.say(InventoryRequestedV1(user_id=person.id, case_id=uuid4()))
    (answer,) = await _answers(house, InventoryCompletedV1, person)
    return {each.holding: each.found for each in answer.holdings}


async def _erase(house: House, person: Person) -> dict[str, int]:
    """Ask for the erasure, as privacy does; return what was erased."""
    return {each.holding: each.erased for each in (await _erasure(house, person)).holdings}


async def _erasure(house: House, person: Person) -> ErasureCompletedV1:
    """Ask for the erasure; return the whole answer."""
    await house.say(ErasureRequestedV1(user_id=person.id, case_id=uuid4()))
    (answer,) = await _answers(house, ErasureCompletedV1, person)
    return answer


async def _answers(house: House, kind: type[E], person: Person) -> list[E]:
    bootstrap = house.settings.kafka_bootstrap
    return await eventually(lambda: published(bootstrap, kind, person.id), within_s=60)


async def _sweep_late(house: House) -> None:
    """Do what every worker does from time to time."""
    outbox = Outbox(house.mongo, "gallery")
    holder = Holder(HOLDINGS, house.mongo, house.storage, house.tombstones, outbox, house.settings)
    await holder.sweep_late()
