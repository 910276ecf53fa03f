"""Rendering with backends that crash, hang or refuse."""

from pathlib import Path

import pytest

from libs.common.events.generation import GenerationFailedV1
from libs.common.testing.waiting import eventually
from tests.generation.house import MOODY, House


@pytest.fixture(scope="module")
def backend() -> str:
    return MOODY


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [("crash", "render-crashed"), ("hang", "render-crashed"), ("refuse", "not-drawable")],
)
async def test_what_cannot_be_drawn_fails_with_a_code(house: House, prompt: str, reason: str) -> None:
    person = house.person()
    job = await person.start(prompt)
    failed = await person.in_state(job["id"], "failed")
    assert failed["reason"] == reason
    (event,) = await eventually(lambda: house.final_events(person.id))
    assert isinstance(event, GenerationFailedV1)
    assert (event.reason, event.credits) == (reason, 1)
    assert await house.objects(person.id) == []


async def test_a_failure_takes_no_neighbour_with_it(house: House) -> None:
    person, neighbour = house.person(), house.person()
    bad = await person.start("crash")
    good = [await neighbour.start(f"a calm lake {number}") for number in range(4)]
    await person.in_state(bad["id"], "failed")
    for job in good:
        await neighbour.in_state(job["id"], "completed")


async def test_a_process_that_dies_once_is_replaced(house: House, tmp_path: Path) -> None:
    person = house.person()
    job = await person.start(f"crash-once {tmp_path / 'died'}")
    await person.in_state(job["id"], "completed")
    assert (tmp_path / "died").exists()


async def test_a_failed_job_can_be_tried_again(house: House, tmp_path: Path) -> None:
    person = house.person()
    job = await person.start("refuse")
    await person.in_state(job["id"], "failed")
    again = (await person.client.post(f"/api/generation/v1/jobs/{job['id']}/retry")).json()
    await person.bank.reserve(person.id, again)
    assert (await person.in_state(again["id"], "failed"))["attempt"] == 2
