"""The listing rebuilt from the log is the live one, byte for byte, with what is sealed opened."""

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.bus.envelope import headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.base import Event
from libs.common.events.gallery import ImageCaptionedV1, ImageUploadedV1
from libs.common.mongo import row_bytes
from libs.common.privacy.purposes import Decision
from libs.common.rebuild.rebuilds import Rebuilds
from libs.common.rebuild.runs import RebuildRun
from libs.common.runs import State
from libs.common.testing.kafka import raw_producer
from libs.common.testing.log import begin_anew
from libs.common.testing.tokens import bearer
from libs.common.testing.waiting import eventually
from services.gallery import listing
from services.gallery.listing import Listing
from services.gallery.models import Image, ImageFacts
from tests.gallery.house import API, House, Person, photograph
from tests.gallery.test_photo_details import detailed, gone, heard, word

STAFF = uuid4()


@pytest.fixture(autouse=True)
async def fresh_log(house: House) -> None:
    """Begin the log anew, with nobody in the gallery.

    Events of earlier tests on this Kafka may still be imported meanwhile: then it is done once more.
    """
    rows, outbox = house.mongo.collection(Image), house.mongo.collection(OutboxRow)

    async def nobody() -> bool:
        await rows.delete_many({})
        await outbox.delete_many({})
        await begin_anew(house.settings.kafka_bootstrap, [event.topic for event in Listing.events])
        return await rows.count({}) + await outbox.count({}) == 0

    await eventually(nobody, within_s=60)


async def rebuilt(house: House, *, swap: bool = False) -> RebuildRun:
    """Order a rebuild, and return it once it is done."""
    rebuilds: Rebuilds = house.app.state.parts.rebuilds
    run = await rebuilds.ask("gallery.images", STAFF, swap=swap)

    async def over() -> bool:
        return (await rebuilds.find(run.id)).state in (State.DONE, State.FAILED)

    await eventually(over, within_s=120)
    return await rebuilds.find(run.id)


async def live_for_a_while(person: Person, seed: int, steps: int) -> None:
    """Upload, caption and delete at random, from a seed."""
    chance, images = random.Random(seed), list[str]()
    for _ in range(steps):
        what = chance.randrange(4)
        if what <= 1 or not images:
            words = {"caption": f"caption {chance.random()}"} if chance.random() < 0.5 else {}
            images.append((await person.upload(photograph(160, 120), **words))["id"])
        elif what == 2:
            later = {"caption": chance.choice([None, f"later {chance.random()}"])}
            answer = await person.client.patch(f"{API}/images/{chance.choice(images)}", json=later)
            assert answer.is_success
        else:
            gone = images.pop(chance.randrange(len(images)))
            assert (await person.client.delete(f"{API}/images/{gone}")).is_success


async def test_what_was_objected_to_does_not_come_back_from_the_log(house: House) -> None:
    person, images = house.person(), list[str]()
    for sequence, state in enumerate((Decision.OBJECTED, Decision.GIVEN), start=1):
        images.append((await person.upload())["id"])
        await heard(house, word(person.id, sequence, state))
    await eventually(lambda: gone(house, person))
    images.append((await person.upload())["id"])
    assert await detailed(house, person) == {UUID(images[-1])}
    verdict = await rebuilt(house, swap=True)
    assert verdict.equal, verdict.result
    assert await detailed(house, person) == {UUID(images[-1])}
    assert len(await house.rows(person.id)) == len(images)


async def stored(house: House) -> dict[UUID, bytes]:
    rows = await house.mongo.collection(Image).find({"state": {"$ne": "deleting"}})
    return {row["_id"]: row_bytes(row) for row in rows}


async def test_the_rebuilt_listing_is_the_live_one_under_writes(house: House) -> None:
    people = [house.person() for _ in range(3)]
    await asyncio.gather(*(live_for_a_while(each, seed, 6) for seed, each in enumerate(people)))
    going_on = asyncio.gather(*(live_for_a_while(each, 10 + seed, 5) for seed, each in enumerate(people)))
    verdict = await rebuilt(house)
    await going_on
    assert verdict.state is State.DONE
    assert verdict.equal, str(verdict.result)  # whole, which pytest would cut
    again = await rebuilt(house)
    assert again.equal, again.result
    assert again.result["compared"] == len(await stored(house)) > 0
    assert await house.mongo.collection(ImageFacts).count({}) == 0


async def test_an_erased_person_stays_erased_and_is_no_difference(house: House) -> None:
    gone, other = house.person(), house.person()
    await gone.upload(caption="mine")
    await other.upload(caption="theirs")
    await house.tombstones.set(gone.id, uuid4())
    await house.mongo.collection(Image).delete_many({"user_id": gone.id})
    verdict = await rebuilt(house, swap=True)
    assert (verdict.equal, verdict.result["compared"]) == (True, 1), verdict.result
    assert await house.rows(gone.id) == []


async def test_only_a_swap_puts_right_what_is_not_what_the_log_says(house: House) -> None:
    person = house.person()
    ids = [UUID((await person.upload(caption=f"number {number}"))["id"]) for number in range(3)]
    for image_id in ids:
        await person.ready(str(image_id))
    rows, before = house.mongo.collection(Image), await stored(house)
    await rows.update_one({"_id": ids[0], "user_id": person.id}, {"$set": {"caption": "wrong"}})
    await rows.delete_one({"_id": ids[1]})
    found = await rebuilt(house)
    assert (found.equal, found.result["differing"]) == (False, 2)
    assert await stored(house) != before
    assert (await rebuilt(house, swap=True)).result["corrected"] == 2
    assert await stored(house) == before


async def test_an_image_does_not_come_back_whose_deletion_the_log_may_have_lost(house: House) -> None:
    person = house.person()
    kept = await person.upload()
    await person.ready(kept["id"])
    for days in (400.5, 399.5):  # a log that has lost an end of the older, and one that has it
        uploaded = ImageUploadedV1(
            user_id=person.id,
            image_id=uuid4(),
            source="upload",
            media_type="image/png",
            size_bytes=1,
            width=1,
            height=1,
            uploaded_at=now() - timedelta(days=days),
        )
        await told(house, uploaded)
    verdict = await rebuilt(house, swap=True)
    assert (verdict.result["compared"], verdict.result["corrected"]) == (2, 1), verdict.result
    assert {str(row.id) for row in await house.rows(person.id)} == {kept["id"], str(uploaded.image_id)}


async def told(house: House, event: Event) -> None:
    """Put an event of the gallery's own into the log, which nothing here has done."""
    row = OutboxRow.of(event, "/pixera/gallery")
    async with raw_producer(house.settings.kafka_bootstrap) as producer:
        await producer.send_and_wait(event.topic, row.body, key=row.key.encode(), headers=headers_of(row))


async def test_a_wrong_fold_is_seen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    person = house.person()
    image = await person.upload(caption="first")
    await person.client.patch(f"{API}/images/{image['id']}", json={"caption": "second"})
    await person.ready(image["id"])
    assert (await rebuilt(house)).equal
    said = listing._said
    monkeypatch.setattr(
        listing, "_said", lambda event: {} if isinstance(event, ImageCaptionedV1) else said(event)
    )
    assert (await rebuilt(house)).result["differing"] == 1


async def test_operators_order_rebuilds_and_replays_over_http(house: House) -> None:
    person = house.person()
    image = await person.upload(caption="mine")
    await person.ready(image["id"])
    operator = httpx.AsyncClient(
        base_url=f"{house.url}{API}/staff", headers=bearer(STAFF, roles=["staff"]), timeout=30
    )
    assert (
        await person.client.post(f"{API}/staff/rebuilds", json={"model": "gallery.images"})
    ).status_code == 403
    assert (await operator.post("/rebuilds", json={"model": "gallery.nothing"})).status_code == 422
    rebuild = await ordered(operator, "/rebuilds", {"model": "gallery.images"})
    assert rebuild["equal"] is True, rebuild
    wanted = {"group": "gallery.make-thumbnails", "subject": str(person.id)}
    assert (await operator.post("/replays", json={"group": "billing.open-account"})).status_code == 422
    assert (await ordered(operator, "/replays", wanted))["counts"] == {"duplicate": 1}
    assert (await ordered(operator, "/replays", wanted | {"deliver": True}))["counts"] == {"duplicate": 1}


async def ordered(operator: httpx.AsyncClient, path: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Order something, and return it once it is done."""
    order = await operator.post(path, json=wanted)
    assert order.status_code == 202, order.text

    async def over() -> bool:
        run = (await operator.get(f"{path}/{order.json()['id']}")).json()
        return run["state"] in ("done", "failed")

    await eventually(over, within_s=120)
    run: dict[str, Any] = (await operator.get(f"{path}/{order.json()['id']}")).json()
    return run
