"""A generation that is held keeps its images, whatever would have let go of them, until its hold ends."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from libs.common.clock import new_id
from libs.common.events.gallery import ImageDeletedV1, ImageReadyV1
from libs.common.privacy.item_holds import HoldState, ItemHold, ItemHolds
from libs.common.testing.waiting import eventually
from services.generation.delivery import Delivery
from services.generation.models import JobState
from services.generation.privacy import HOLDINGS
from services.generation.repository import JobRepository
from tests.generation.house import SLOW, House


@pytest.fixture(scope="module")
def backend() -> str:
    return SLOW


async def held(house: House, job_id: str) -> ItemHold:
    """Hold a generation."""
    hold = ItemHold(id=new_id(), holding="generation.jobs", item_id=UUID(job_id), state=HoldState.PLACING)
    placed = await ItemHolds(HOLDINGS, house.mongo).place(hold)
    assert placed.state is HoldState.IN_FORCE
    return placed


async def released_and_swept(house: House, hold: ItemHold) -> None:
    """End a hold, and let the sweep come by."""
    await ItemHolds(HOLDINGS, house.mongo).release(hold)
    await swept(house)


async def swept(house: House) -> None:
    """Remove leftovers, however young."""
    jobs, objects = JobRepository(house.mongo), house.objects_of_jobs()
    await Delivery(jobs, objects, sweep_every_s=3600, leftover_after=timedelta(0)).sweep()


async def is_delivered(house: House, job_id: str) -> bool:
    row = await house.stored(job_id)
    return row is not None and row.delivered == [0]


@pytest.mark.parametrize("said", [ImageReadyV1, ImageDeletedV1])
async def test_what_is_delivered_while_held_stays_until_the_hold_ends(
    house: House, said: type[ImageReadyV1 | ImageDeletedV1]
) -> None:
    person = house.person()
    job = await person.start()
    image_id = UUID((await person.in_state(job["id"], "completed"))["images"][0]["image_id"])
    kept = await house.objects(person.id)
    hold = await held(house, job["id"])

    await person.bank.say(said(user_id=person.id, image_id=image_id))
    await eventually(partial(is_delivered, house, job["id"]))
    await swept(house)
    assert await house.objects(person.id) == kept != []

    await released_and_swept(house, hold)
    assert await house.objects(person.id) == []


async def test_what_was_drawn_of_a_held_job_stays_when_its_person_cancels_it(house: House) -> None:
    person = house.person()
    job = await person.start(count=4)
    hold = await held(house, job["id"])

    async def some_are_there() -> bool:
        return bool((await person.job(job["id"]))["images_done"])

    await eventually(some_are_there)
    kept = await house.objects(person.id)
    assert (await person.cancel(job["id"])).status_code == 200
    other = (
        await person.start()
    )  # drawn once the worker has ended with the first: events of one person wait for each other
    await person.in_state(other["id"], "completed")
    await swept(house)
    assert set(await house.objects(person.id)) >= set(kept) != set()

    await released_and_swept(house, hold)
    assert {name.split("/")[1] for name in await house.objects(person.id)} == {other["id"]}


async def test_a_failed_job_that_is_held_keeps_what_it_has(house: House) -> None:
    person = house.person()
    job = await person.start()
    await person.in_state(job["id"], "completed")
    failed = {"$set": {"state": JobState.FAILED.value}}
    await house.mongo.collection("jobs").update_one({"_id": UUID(job["id"])}, failed)
    hold, kept = await held(house, job["id"]), await house.objects(person.id)
    await swept(house)
    assert await house.objects(person.id) == kept != []

    await released_and_swept(house, hold)
    assert await house.objects(person.id) == []
