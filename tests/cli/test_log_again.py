"""`pixera events rebuild` and `replay --to group:...`, on a gallery that people use."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from libs.common.bus.letters.rows import ParkedKey, lane_id
from libs.common.clock import now
from libs.common.events.gallery import ImageUploadedV1
from libs.common.replays import handover
from libs.common.settings import CommonSettings
from libs.common.testing.kafka import caught_up
from libs.common.testing.log import begin_anew
from services.gallery.listing import Listing
from services.gallery.main import create_app
from services.gallery.models import Image
from tests.cli.conftest import pixera, reached
from tests.gallery.house import House, Person, open_house

pytestmark = pytest.mark.slow

THUMBNAILS = "group:gallery.make-thumbnails"


@pytest.fixture(scope="module")
async def house(common_settings: CommonSettings) -> AsyncIterator[House]:
    """Run gallery, API and worker, on a database of the test module's own and a log that begins with it."""
    async with open_house(common_settings) as running:
        await begin_anew(running.settings.kafka_bootstrap, [event.topic for event in Listing.events])
        yield running


@pytest.fixture(scope="module")
async def api(house: House) -> AsyncIterator[dict[str, str]]:
    """What leads the command to auth and gallery."""
    async with reached(lambda keys: create_app("api", house.settings.model_copy(update=keys))) as environment:
        yield environment


@pytest.fixture(scope="module")
async def person(house: House) -> Person:
    """Somebody with an image that is ready."""
    someone = house.person()
    image = await someone.upload(caption="mine")
    await someone.ready(image["id"])
    group = THUMBNAILS.removeprefix("group:")
    await caught_up(house.settings.kafka_bootstrap, group, ImageUploadedV1.topic)
    return someone


async def test_a_rebuild_compares_and_swaps_only_when_told(
    house: House, person: Person, api: dict[str, str]
) -> None:
    rebuild = ("events", "rebuild", "gallery.images")
    ran = await pixera(*rebuild, **api)
    assert ran.code == 0, ran.err + ran.out
    assert "byte for byte" in ran.out
    rows = house.mongo.collection(Image)
    await rows.update_one({"user_id": person.id}, {"$set": {"caption": "wrong"}})
    ran = await pixera(*rebuild, "--swap", **api)
    assert (ran.code, "add --yes" in ran.out) == (1, True), ran.out
    assert (await house.rows(person.id))[0].caption == "wrong"
    ran = await pixera(*rebuild, "--swap", "--yes", "--json", **api)
    assert (ran.code, json.loads(ran.out)["result"]["corrected"]) == (0, 1), ran.out
    assert (await house.rows(person.id))[0].caption == "mine"
    assert (await pixera("events", "rebuild", "gallery.nothing", **api)).code == 2


async def test_a_replay_to_a_group_is_only_told_until_it_is_wanted(
    house: House, person: Person, api: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = ("events", "replay", "--subject", str(person.id), "--to")
    ran = await pixera(*replay, THUMBNAILS, **api)
    assert ran.code == 0, ran.err
    assert "duplicate" in ran.out
    assert "add --yes" in ran.out
    await house.mongo.collection("inbox").delete_many({"_id": {"$regex": "^gallery.make-thumbnails"}})
    ran = await pixera(*replay, THUMBNAILS, "--json", **api)
    assert json.loads(ran.out)["counts"] == {"deliverable": 1}
    with monkeypatch.context() as patched:
        patched.setattr(handover, "REMEMBERED", timedelta(0))
        ran = await pixera(*replay, THUMBNAILS, "--yes", **api)
        assert (ran.code, "too-old" in ran.out, "rebuild" in ran.out) == (1, True, True), ran.out
    parked = key_behind_a_letter(person)
    await house.mongo.collection(ParkedKey).insert_one(parked.to_mongo())
    ran = await pixera(*replay, THUMBNAILS, "--yes", **api)
    assert (ran.code, "waiting" in ran.out, "pixera dlq" in ran.out) == (1, True, True), ran.out
    await house.mongo.collection(ParkedKey).delete_one({"_id": parked.id})
    ran = await pixera(*replay, THUMBNAILS, "--yes", "--json", **api)
    assert (ran.code, json.loads(ran.out)["counts"]) == (0, {"done": 1}), ran.err
    unknown = await pixera(*replay, "group:gallery.nothing", **api)
    assert (unknown.code, "There is no such consumer group" in unknown.err) == (2, True), unknown.err
    ran = await pixera(*replay, THUMBNAILS, "--topic", "image.uploaded", "--json", **api)
    assert (ran.code, json.loads(ran.out)["counts"]) == (0, {"duplicate": 1}), ran.err
    unread = await pixera(*replay, THUMBNAILS, "--topic", "image.deleted", "--yes", **api)
    assert (unread.code, "gallery.make-thumbnails reads image.uploaded" in unread.err) == (2, True), (
        unread.err
    )


async def test_replays_are_listed_and_stopped(house: House, person: Person, api: dict[str, str]) -> None:
    replay = ("events", "replay", "--subject", str(person.id), "--to", THUMBNAILS, "--json")
    ran = await pixera(*replay, **api)
    assert ran.code == 0, ran.err
    replay_id = json.loads(ran.out)["id"]
    assert replay_id in ran.err, "who breaks off has no other way to it"
    listed = await pixera("events", "replays", "--service", "gallery", "--json", **api)
    assert replay_id in [each["id"] for each in json.loads(listed.out)]
    over = await pixera("events", "stop", replay_id, "--service", "gallery", **api)
    assert (over.code, "is over already" in over.err) == (1, True), over.err


def key_behind_a_letter(person: Person) -> ParkedKey:
    """Return the row that says that the events of a person's images wait for their thumbnails."""
    group, key = THUMBNAILS.removeprefix("group:"), str(person.id)
    return ParkedKey(
        id=lane_id(group, ImageUploadedV1.topic, key),
        group=group,
        topic=ImageUploadedV1.topic,
        key=key,
        user_id=person.id,
        at=now(),
    )
