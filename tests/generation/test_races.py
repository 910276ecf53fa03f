"""What happens at the same time: cancelling and completing, redelivery, and one person's many jobs."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest

from libs.common.errors import SubjectErased
from libs.common.events.generation import GenerationCompletedV1, GenerationFailedV1, GenerationQueuedV1
from libs.common.testing.waiting import eventually
from services.generation.models import Job
from tests.generation.house import FINAL, SLOW, House, Person

T = TypeVar("T")


@pytest.fixture(scope="module")
def backend() -> str:
    return SLOW


async def test_cancelling_before_the_start_releases_the_credits(house: House) -> None:
    person = house.person()
    job = await person.submit(count=2)
    answers = [await person.cancel(job["id"]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["state"] == "cancelled"

    await person.bank.reserve(person.id, job)  # billing had not heard of it yet
    (event,) = await eventually(lambda: house.final_events(person.id))
    assert isinstance(event, GenerationFailedV1)
    assert (event.reason, event.credits) == ("cancelled", 2)
    other = await person.start()
    await person.in_state(other["id"], "completed")
    assert (await person.job(job["id"]))["state"] == "cancelled"


async def test_cancelling_while_it_runs_leaves_nothing_behind(house: House) -> None:
    person = house.person()
    job = await person.start(count=4)

    async def under_way() -> bool:
        return bool((await person.job(job["id"]))["images_done"])

    await eventually(under_way)
    assert (await person.cancel(job["id"])).status_code == 200
    await eventually(lambda: _no_objects(house, person))
    await asyncio.sleep(1)  # time for images under way to arrive late
    assert await house.objects(person.id) == []
    (event,) = await house.final_events(person.id)
    assert isinstance(event, GenerationFailedV1)


async def test_a_completed_job_cannot_be_cancelled(house: House) -> None:
    person = house.person()
    job = await person.start()
    await person.in_state(job["id"], "completed")
    answer = await person.cancel(job["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "job-finished")


@pytest.mark.slow
async def test_cancelling_at_the_end_has_one_outcome(house: House) -> None:
    """Cancel ever closer to the moment of completion: each job ends once, and says so once."""
    delay_s, step_s = 0.5, 0.2
    outcomes: Counter[str] = Counter()
    for _ in range(12):
        person = house.person()
        job = await person.start()
        await person.in_state(job["id"], "running", "completed")
        await asyncio.sleep(delay_s)
        cancelled = (await person.cancel(job["id"])).status_code == 200
        delay_s += step_s if cancelled else -step_s
        step_s = max(step_s * 0.7, 0.004)

        state = (await person.job(job["id"]))["state"]
        outcomes[state] += 1
        assert state == ("cancelled" if cancelled else "completed")
        await eventually(partial(house.final_events, person.id))
        if cancelled:
            await eventually(partial(_no_objects, house, person))
        (event,) = await house.final_events(person.id)
        assert isinstance(event, GenerationFailedV1 if cancelled else GenerationCompletedV1)
    assert len(outcomes) == 2, f"the race was not one: {outcomes}"


async def test_a_job_queued_twice_is_rendered_once_in_effect(house: House) -> None:
    person = house.person()
    job = await person.start(count=2)
    await person.in_state(job["id"], "running", "completed")
    queued = GenerationQueuedV1(user_id=person.id, job_id=UUID(job["id"]))
    await person.bank.say(queued, queued)  # as events of their own, so that no inbox knows them
    await person.in_state(job["id"], "completed")
    other = await person.start(count=1)
    await person.in_state(other["id"], "completed")

    async def both() -> bool:
        return len(await house.final_events(person.id)) == 2

    await eventually(both)
    ids = [each.job_id for each in await house.final_events(person.id)]
    assert Counter(map(str, ids)) == {job["id"]: 1, other["id"]: 1}
    names = set(await house.objects(person.id))
    assert len(names) == 3


async def test_a_worker_that_ends_behind_another_leaves_what_that_one_has_completed(house: House) -> None:
    """Both draw; the account is frozen before the second one comes to its end."""
    person = house.person()
    job = await person.start()
    await person.in_state(job["id"], "running")

    with pytest.raises(SubjectErased):
        await house.service.rendering.render(person.id, UUID(job["id"]), partial(refused, person, job["id"]))
    assert len(set(await house.objects(person.id))) == 1


async def refused(person: Person, job_id: str, _: Callable[[], Awaitable[T]]) -> T:
    """Refuse an event's effect, once another worker has completed the job, as the fence does."""
    await person.in_state(job_id, "completed")
    raise SubjectErased


async def test_a_person_with_many_jobs_does_not_push_others_aside(house: House) -> None:
    greedy, modest = house.person(), house.person()
    wish = await modest.submit("a small wish")
    jobs = [await greedy.submit() for _ in range(12)]
    await greedy.bank.reserve(greedy.id, *jobs)

    async def admitted() -> bool:
        states = Counter([(await greedy.job(job["id"]))["state"] for job in jobs])
        return states["waiting"] >= 4

    await eventually(admitted)
    allowed = house.settings.generation_admitted_per_person
    assert await _most_admitted(house, greedy, until=modest.bank.reserve(modest.id, wish)) <= allowed
    wished_at, drawn_from = await _queued_and_started(house, modest, wish)
    others = [await _queued_and_started(house, greedy, job) for job in jobs]
    queued = [queued_at for queued_at, _ in others]
    assert queued == sorted(queued), "the one that waited longest is next"
    assert queued[-1] > wished_at, "somebody was to be pushed aside"
    assert sum(wished_at < started_at < drawn_from for _, started_at in others) <= allowed


async def _queued_and_started(house: House, person: Person, job: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return when a job's turn was asked for and when it came, once its images are there."""
    await person.in_state(job["id"], "completed")
    row = await house.stored(job["id"])
    assert row is not None
    assert row.queued_at is not None
    assert row.started_at is not None
    return row.queued_at, row.started_at


async def _most_admitted(house: House, person: Person, until: object) -> int:
    """Start something, then watch how many of a person's jobs are admitted at a time until all have ended."""
    assert asyncio.iscoroutine(until)
    await until
    most = 0
    jobs = house.mongo.collection(Job)
    while await jobs.count({"user_id": person.id, "state": {"$nin": sorted(FINAL)}}):
        admitted = await jobs.count({"user_id": person.id, "state": {"$in": ["queued", "running"]}})
        most = max(most, admitted)
        await asyncio.sleep(0.02)
    return most


async def _no_objects(house: House, person: Person) -> bool:
    return not await house.objects(person.id)
