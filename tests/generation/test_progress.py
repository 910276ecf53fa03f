"""Live progress over server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from libs.common.mongo import Mongo
from libs.common.testing.waiting import eventually
from services.generation.models import Job, JobState
from services.generation.progress import ProgressFeed
from services.generation.repository import JobRepository
from tests.generation.house import API, SLOW, House, Person


@pytest.fixture(scope="module")
def backend() -> str:
    return SLOW


async def events(person: Person, job_id: str) -> AsyncIterator[dict[str, Any]]:
    """Yield what the stream says, until it ends."""
    async with person.client.stream("GET", f"{API}/jobs/{job_id}/events", timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


async def watched(person: Person, job_id: str) -> list[dict[str, Any]]:
    return [event async for event in events(person, job_id)]


async def test_a_stream_tells_every_image_and_ends_with_the_job(house: House) -> None:
    person = house.person()
    job = await person.submit(count=3)
    watching = [asyncio.create_task(watched(person, job["id"])) for _ in range(3)]
    await eventually(lambda: _watchers(house, 3))

    await person.bank.reserve(person.id, job)
    streams = await asyncio.gather(*watching)

    for seen in streams:
        assert seen[0]["state"] == "requested"
        assert seen[-1]["state"] == "completed"
        assert len(seen[-1]["image_ids"]) == 3
        done = [event["images_done"] for event in seen]
        assert done == sorted(done)
        assert {1, 2} & set(done)
        assert "prompt" not in json.dumps(seen)
    await eventually(lambda: _watchers(house, 0))


async def test_a_stream_of_a_job_that_has_ended_says_so_and_ends(house: House) -> None:
    person = house.person()
    job = await person.submit()
    await person.cancel(job["id"])
    (only,) = await watched(person, job["id"])
    assert (only["state"], only["reason"]) == ("cancelled", "cancelled")


async def test_a_stream_ends_when_its_job_is_erased(house: House) -> None:
    person = house.person()
    job = await person.submit()
    watching = asyncio.create_task(watched(person, job["id"]))
    await eventually(lambda: _watchers(house, 1))
    await house.mongo.collection(Job).delete_many({"user_id": person.id})
    assert [event["state"] for event in await asyncio.wait_for(watching, 10)] == ["requested"]


async def test_a_client_that_goes_away_leaves_its_place(house: House) -> None:
    person = house.person()
    job = await person.submit()
    watching = asyncio.create_task(watched(person, job["id"]))
    await eventually(lambda: _watchers(house, 1))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await eventually(lambda: _watchers(house, 0))


async def test_the_ninth_watcher_of_one_person_is_refused_until_another_goes(house: House) -> None:
    person = house.person()
    job = await person.submit()
    watching = [asyncio.create_task(watched(person, job["id"])) for _ in range(8)]
    await eventually(lambda: _watchers(house, 8))

    refused = await person.client.get(f"{API}/jobs/{job['id']}/events")
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-watchers")
    neighbour = house.person()
    others = await neighbour.submit()
    await neighbour.cancel(others["id"])
    assert await watched(neighbour, others["id"])

    watching.pop().cancel()
    await eventually(lambda: _watchers(house, 7))
    watching.append(asyncio.create_task(watched(person, job["id"])))
    await eventually(lambda: _watchers(house, 8))
    await person.cancel(job["id"])
    await asyncio.gather(*watching)


async def test_a_stream_lasts_no_longer_than_its_token(house: House) -> None:
    person = house.person()
    job = UUID((await person.submit())["id"])
    feed = ProgressFeed(house.mongo, JobRepository(house.mongo), per_person=1, longest_s=0.3)
    async with asyncio.timeout(5):
        states = [progress.state async for progress in feed.watch(person.id, job)]
    assert states == [JobState.REQUESTED]


async def test_a_broken_change_stream_loses_no_news(house: House, mongo: Mongo) -> None:
    person = house.person()
    job = await person.submit()
    watching = asyncio.create_task(watched(person, job["id"]))
    await eventually(lambda: _watchers(house, 1))
    killed = await _kill_change_streams(mongo)
    assert killed
    await person.cancel(job["id"])
    states = [event["state"] for event in await asyncio.wait_for(watching, 20)]
    assert states == ["requested", "cancelled"]


async def _watchers(house: House, count: int) -> bool:
    return house.service.progress.watchers == count


async def _kill_change_streams(mongo: Mongo) -> int:
    """Kill every cursor that waits on a change stream, as a failover would."""
    admin = mongo.client.get_database("admin")
    pipeline = [
        {"$currentOp": {"idleCursors": True, "allUsers": True}},
        {"$match": {"cursor": {"$exists": True}}},
    ]
    killed = 0
    async for operation in admin.aggregate(pipeline):
        database, _, collection = operation["ns"].partition(".")
        if collection == Job.collection:
            command = {"killCursors": collection, "cursors": [operation["cursor"]["cursorId"]]}
            await mongo.client.get_database(database).command(command)
            killed += 1
    return killed
