"""Of whose words nothing is drawn for now: what they had in hand ends, whoever is killed meanwhile, and all of it."""

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from libs.common.clock import now
from libs.common.events.auth import UserHiddenV1, UserRestoredV1, UserRestrictedV1, UserUnrestrictedV1
from libs.common.events.generation import GenerationCompletedV1, GenerationFailedV1
from libs.common.testing.waiting import eventually
from services.generation.models import Job, JobState
from services.generation.repository import JobRepository
from services.generation.schemas import SubmitJob
from tests.generation.house import API, FINAL, SLOW, House, Person

MANY = 200


@pytest.fixture(scope="module")
def backend() -> str:
    return SLOW


async def code_of(person: Person, path: str = "/jobs") -> str:
    """Return how asking for images is answered: a status and a code."""
    body = {"prompt": "once more", "width": 256, "height": 256}
    answer = await person.client.post(f"{API}{path}", json=body)
    return f"{answer.status_code} {answer.json().get('code', '')}".strip()


async def test_what_a_hidden_person_had_in_hand_ends_and_its_credits_are_released_once(house: House) -> None:
    person = house.person()
    jobs = [await person.start(count=2) for _ in range(3)] + [await person.submit()]
    await person.in_state(jobs[0]["id"], "running", "completed")
    hidden_at = now() + timedelta(minutes=1)  # every token of this test is older
    hidden = UserHiddenV1(
        user_id=person.id, reason="by-person", erased_from=hidden_at, hidden_at=hidden_at, sequence=1
    )
    await person.bank.say(hidden)

    async def all_ended() -> bool:
        stored = [await house.stored(job["id"]) for job in jobs]
        return all(job is not None and job.state in FINAL for job in stored)

    await eventually(all_ended, within_s=60)
    ended = Counter(str(event.job_id) for event in await house.final_events(person.id))
    assert ended == {job["id"]: 1 for job in jobs}
    assert await code_of(person) == "410 account-hidden"
    assert (await person.client.get(f"{API}/jobs")).json()["code"] == "account-hidden"

    await person.bank.say(UserRestoredV1(user_id=person.id, sequence=2))
    await eventually(lambda: _is(person, "202"), within_s=60)


async def test_hundreds_of_jobs_end_on_a_machine_that_takes_its_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends a transaction after five seconds, and these take ten, however often they are tried."""
    person = house.person()
    wish = SubmitJob(prompt="one of many", width=256, height=256).wish()
    jobs = [await house.service.jobs.submit(person.id, wish) for _ in range(MANY)]
    await person.bank.reserve(person.id, *({"id": job.id, "credits": job.credits} for job in jobs[:8]))
    await person.in_state(str(jobs[0].id), "running", "completed")
    move = JobRepository.move

    async def slow(self: JobRepository, user_id: UUID, *args: Any, **fields: Any) -> Job | None:
        await asyncio.sleep(10 / MANY if user_id == person.id else 0)
        return await move(self, user_id, *args, **fields)

    monkeypatch.setattr(JobRepository, "move", slow)
    await person.bank.say(UserRestrictedV1(user_id=person.id, sequence=1))

    async def all_ended() -> bool:
        states = Counter([job.state for job in await _stored_of(house, person)])
        return sum(count for state, count in states.items() if state.final) == MANY

    await eventually(all_ended, within_s=60)

    async def told() -> dict[UUID, int]:
        events = Counter(event.job_id for event in await house.final_events(person.id))
        return events if len(events) == MANY else {}

    assert set((await eventually(told, within_s=60)).values()) == {1}


async def _stored_of(house: House, person: Person) -> list[Job]:
    rows = await house.mongo.collection(Job).find({"user_id": person.id}, limit=MANY)
    return [Job.from_mongo(row) for row in rows]


async def test_what_waits_gets_no_place_while_its_person_is_suspended(house: House) -> None:
    """The first jobs that were ended have left theirs, and these are not ended yet."""
    person = house.person()
    job_id, jobs = UUID((await person.submit())["id"]), house.service.jobs
    waiting = {"$set": {"state": JobState.WAITING.value}}
    await house.mongo.collection("jobs").update_one({"_id": job_id}, waiting)
    await house.service.suspending._suspensions.note(UserRestrictedV1(user_id=person.id, sequence=1))
    await jobs._work.run(partial(jobs.admit_next, person.id))
    assert (await jobs.find(person.id, job_id)).state is JobState.WAITING


async def test_nothing_is_drawn_for_who_restricted_it_and_the_log_stays_theirs(house: House) -> None:
    person = house.person()
    job = await person.submit()
    await person.bank.say(UserRestrictedV1(user_id=person.id, sequence=1))
    await eventually(lambda: _is(person, "409 processing-restricted"), within_s=60)
    await person.in_state(job["id"], "cancelled")
    assert await code_of(person, f"/jobs/{job['id']}/retry") == "409 processing-restricted"
    wish = SubmitJob(prompt="asked for before the restriction came", width=256, height=256).wish()
    assert (await house.service.jobs.submit(person.id, wish)).state == "cancelled"
    await person.bank.say(UserUnrestrictedV1(user_id=person.id, sequence=2))
    await eventually(lambda: _is(person, "202"), within_s=60)


async def test_what_was_asked_for_as_the_restriction_came_is_not_drawn_where_nobody_looked_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API is killed between the commit of a job and its second look for a suspension."""
    person = house.person()
    await person.bank.say(UserRestrictedV1(user_id=person.id, sequence=1))
    await eventually(lambda: _is(person, "409 processing-restricted"), within_s=60)

    async def die(_: Job) -> Job:
        raise OSError("killed after the commit")

    monkeypatch.setattr(house.service.jobs, "_unless_suspended", die)
    wish = SubmitJob(prompt="asked for before the restriction came", width=256, height=256).wish()
    with pytest.raises(OSError, match="killed"):
        await house.service.jobs.submit(person.id, wish)
    (job,), _ = await house.service.jobs.page(person.id, None, 1)
    await person.bank.reserve(person.id, {"id": job.id, "credits": job.credits})
    await person.in_state(str(job.id), "cancelled")

    async def told() -> list[GenerationCompletedV1 | GenerationFailedV1]:
        return [event for event in await house.final_events(person.id) if event.job_id == job.id]

    (event,) = await eventually(told)
    assert isinstance(event, GenerationFailedV1)
    assert (event.reason, event.credits) == ("cancelled", job.credits)


async def _is(person: Person, expected: str) -> bool:
    return await code_of(person) == expected
