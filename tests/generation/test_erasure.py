"""A person who is erased while their jobs are under way."""

import asyncio
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from libs.common.bus.outbox import OutboxRow
from libs.common.events.base import Event
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    InventoryCompletedV1,
    InventoryRequestedV1,
)
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from services.generation.backends.base import Rendered
from services.generation.models import Job, JobState, Turn
from tests.generation.house import SLOW, House, Person

E = TypeVar("E", bound=Event)


@pytest.fixture(scope="module")
def backend() -> str:
    return SLOW


async def test_nothing_is_left_of_jobs_that_were_running(house: House) -> None:
    person, other = house.person(), house.person()
    kept = await other.start(count=2)
    jobs = [await person.start(count=4) for _ in range(2)]

    async def under_way() -> bool:
        return bool((await person.job(jobs[0]["id"]))["images_done"])

    await eventually(under_way)
    found = await _inventory(house, person)
    rows = await house.mongo.collection(Job).find({"user_id": person.id, "state": JobState.COMPLETED.value})
    ended_before = {row["_id"] for row in rows}
    erased = await _erase(house, person)

    assert found["generation.jobs"] == erased["generation.jobs"] == 2
    for holding, count in found.items():
        assert erased[holding] >= count, "fewer erased than found would be a failed erasure"
    await asyncio.sleep(2)  # time for images under way to arrive late
    await house.holder().sweep_late()
    assert await house.objects(person.id) == []
    assert await house.mongo.collection(Job).count({"user_id": person.id}) == 0
    assert await house.mongo.collection(Turn).count({"_id": person.id}) == 0
    assert await house.mongo.collection(OutboxRow).count({"key": str(person.id)}) == 0
    assert {event.job_id for event in await house.final_events(person.id)} <= ended_before

    await other.in_state(kept["id"], "completed")
    assert len(await house.objects(other.id)) == 2


async def test_who_is_erased_can_ask_for_nothing_more(house: House) -> None:
    person = house.person()
    job = await person.submit()
    await _inventory(house, person)
    answer = await person.client.post("/api/generation/v1/jobs", json={"prompt": "one more"})
    assert (answer.status_code, answer.json()["code"]) == (410, "subject-erased")
    assert (await person.cancel(job["id"])).status_code == 410
    await person.bank.reserve(person.id, job)
    await asyncio.sleep(1)
    assert (await house.stored(job["id"])).state == "requested"  # type: ignore[union-attr]


async def test_objects_removed_after_the_inventory_are_counted_as_erased(house: House) -> None:
    person = house.person()
    job = await person.start(count=2)
    done = await person.in_state(job["id"], "completed")
    found = await _inventory(house, person)
    assert found["generation.generated-images"] == 2

    objects = house.objects_of_jobs()
    await objects.remove_image(person.id, UUID(done["id"]), 0)

    erased = await _erase(house, person)
    assert erased["generation.generated-images"] == 2


async def test_objects_removed_of_others_are_not_counted(house: House) -> None:
    person = house.person()
    objects = house.objects_of_jobs()
    row = await house.stored((await person.submit())["id"])
    assert row is not None
    await objects.keep(row, 0, Rendered(b"bytes", "image/webp", 256, 256))
    await objects.remove(person.id, row.id)
    assert await house.objects(person.id) == []
    assert await house.tombstones.find(person.id) is None


async def _inventory(house: House, person: Person) -> dict[str, int]:
    """Ask for the inventory, as privacy does; return what was found."""
    await house.bank.say(InventoryRequestedV1(user_id=person.id, case_id=uuid4()))
    (answer,) = await _answers(house, InventoryCompletedV1, person)
    return {each.holding: each.found for each in answer.holdings}


async def _erase(house: House, person: Person) -> dict[str, int]:
    """Ask for the erasure, as privacy does; return what was erased."""
    await house.bank.say(ErasureRequestedV1(user_id=person.id, case_id=uuid4()))
    (answer,) = await _answers(house, ErasureCompletedV1, person)
    return {each.holding: each.erased for each in answer.holdings}


async def _answers(house: House, kind: type[E], person: Person) -> list[E]:
    bootstrap = house.settings.kafka_bootstrap
    return await eventually(lambda: published(bootstrap, kind, person.id), within_s=60)
