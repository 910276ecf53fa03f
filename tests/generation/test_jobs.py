"""Jobs over HTTP, from the asking to the end."""

from uuid import uuid4

import pytest
from pydantic import ValidationError

from libs.common.events.generation import GenerationCompletedV1, GenerationRequestedV1
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from services.generation.settings import GenerationSettings
from tests.generation.house import API, House


async def test_a_job_runs_to_its_end(house: House) -> None:
    person = house.person()
    submitted = await person.submit(count=2, seed=7, style="aurora")
    assert submitted["state"] == "requested"
    assert submitted["credits"] == 2

    await person.bank.reserve(person.id, submitted)
    done = await person.in_state(submitted["id"], "completed")

    assert done["images_done"] == 2
    assert [image["seed"] for image in done["images"]] == [7, 8]
    assert done["backend"].startswith("pixera-procedural ")
    assert len(await house.objects(person.id)) == 2
    (event,) = await eventually(lambda: house.final_events(person.id))
    assert isinstance(event, GenerationCompletedV1)
    assert [str(each) for each in event.image_ids] == [image["image_id"] for image in done["images"]]
    assert sorted(event.object_names) == sorted(await house.objects(person.id))


async def test_the_request_is_announced_with_its_price_and_without_its_prompt(house: House) -> None:
    person = house.person()
    job = await person.submit("a secret garden", count=3)

    async def announced() -> list[GenerationRequestedV1]:
        return await published(house.settings.kafka_bootstrap, GenerationRequestedV1, person.id)

    (event,) = await eventually(announced)
    assert (str(event.job_id), event.credits) == (job["id"], 3)
    assert "secret" not in event.model_dump_json()


async def test_a_price_that_billing_books_nothing_for_is_refused(house: House) -> None:
    settings = house.settings.model_dump()
    with pytest.raises(ValidationError, match="generation_credits_per_image"):
        GenerationSettings.model_validate(settings | {"generation_credits_per_image": 0})
    assert GenerationSettings.model_validate(settings).generation_credits_per_image == 1


async def test_the_same_order_gives_the_same_bytes(house: House) -> None:
    person = house.person()
    jobs = [await person.start("two boats", seed=11) for _ in range(2)]
    for job in jobs:
        await person.in_state(job["id"], "completed")

    first, second = [
        await house.storage.get("pixera-generation", name, 10**7) for name in await house.objects(person.id)
    ]
    assert first == second


async def test_without_credits_a_job_is_declined_and_can_be_retried(house: House) -> None:
    person = house.person()
    job = await person.submit()
    await person.bank.decline(person.id, job)
    declined = await person.in_state(job["id"], "declined")
    assert declined["reason"] == "insufficient-credits"
    assert await house.final_events(person.id) == []

    retries = [await person.client.post(f"{API}/jobs/{job['id']}/retry") for _ in range(2)]

    assert [answer.status_code for answer in retries] == [202, 202]
    again = retries[0].json()
    assert retries[1].json()["id"] == again["id"] != job["id"]
    assert (again["attempt"], again["retry_of"], again["prompt"]) == (2, job["id"], job["prompt"])
    assert again["seed"] == job["seed"]
    assert (await person.job(job["id"]))["retried_as"] == again["id"]


async def test_more_open_jobs_than_the_setting_says_are_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.service.jobs, "_most_open", 2)
    person = house.person()
    first, _ = await person.submit(), await person.submit()
    body = {"prompt": "one more", "width": 256, "height": 256}
    refused = await person.client.post(f"{API}/jobs", json=body)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-jobs")
    assert len((await person.client.get(f"{API}/jobs")).json()["items"]) == 2

    await person.cancel(first["id"])
    await person.submit()
    again = await person.client.post(f"{API}/jobs/{first['id']}/retry")
    assert (again.status_code, again.json()["code"]) == (429, "too-many-jobs")
    await house.person().submit()


async def test_only_what_did_not_succeed_can_be_retried(house: House) -> None:
    person = house.person()
    job = await person.submit()
    answer = await person.client.post(f"{API}/jobs/{job['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "job-not-retryable")


async def test_an_idempotency_key_makes_one_job(house: House) -> None:
    person = house.person()
    headers = {"Idempotency-Key": uuid4().hex}
    body = {"prompt": "a kite", "width": 256, "height": 256}
    answers = [await person.client.post(f"{API}/jobs", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]

    other = await person.client.post(f"{API}/jobs", json={**body, "prompt": "a cat"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")

    somebody_else = await house.person().client.post(f"{API}/jobs", json=body, headers=headers)
    assert somebody_else.json()["id"] != answers[0].json()["id"]


async def test_the_log_is_paged_newest_first(house: House) -> None:
    person = house.person()
    made = [(await person.submit(f"picture {number}"))["id"] for number in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await person.client.get(f"{API}/jobs", params=query)).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


async def test_another_persons_job_is_not_there(house: House) -> None:
    job = await house.person().submit()
    stranger = house.person().client
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/events")):
        answer = await stranger.request(method, f"{API}/jobs/{job['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found")


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "   "},
        {"prompt": "x" * 2001},
        {"width": 255},
        {"width": 300},
        {"height": 1088},
        {"count": 5},
        {"count": 0},
        {"seed": -1},
        {"seed": 2**53},
        {"style": "oil"},
        {"steps": 20},
    ],
)
async def test_an_order_out_of_range_is_refused(house: House, change: dict[str, object]) -> None:
    body = {"prompt": "a door", "width": 256, "height": 256} | change
    answer = await house.person().client.post(f"{API}/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
