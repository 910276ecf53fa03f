"""Images over HTTP: listed, shown, captioned, fetched, deleted."""

from datetime import timedelta
from uuid import uuid4

import pytest

from libs.common.clock import now
from libs.common.events.auth import UserHiddenV1, UserRestoredV1, UserRestrictedV1
from libs.common.events.gallery import ImageDeletedV1
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from tests.gallery.house import API, House, Person, photograph


@pytest.fixture(scope="module")
async def owner(house: House) -> Person:
    """Somebody with seven images."""
    person = house.person()
    for number in range(7):
        await person.upload(photograph(64, 64), caption=f"number {number}")
    return person


async def test_the_list_is_paged_newest_first(owner: Person) -> None:
    seen, cursor, pages = [], None, 0
    while True:
        page = await owner.list(limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [image["caption"] for image in page["items"]]
        pages, cursor = pages + 1, page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"number {number}" for number in range(6, -1, -1)]
    assert pages == 3


async def test_a_page_is_stable_while_images_are_added(house: House) -> None:
    person = house.person()
    old = [(await person.upload(photograph(64, 64)))["id"] for _ in range(3)]
    first = await person.list(limit=2)
    await person.upload(photograph(64, 64))
    second = await person.list(limit=2, cursor=first["next_cursor"])
    assert [image["id"] for image in first["items"] + second["items"]] == old[::-1]


async def test_a_listed_image_is_what_the_image_itself_says(owner: Person) -> None:
    (newest,) = (await owner.list(limit=1))["items"]
    await owner.ready(newest["id"])
    (newest,) = (await owner.list(limit=1))["items"]
    assert newest == await owner.image(newest["id"])
    assert newest["thumbnail_url"] == f"{API}/images/{newest['id']}/thumbnail?size=small"
    assert (await owner.fetch(newest["thumbnail_url"])).headers["content-type"] == "image/webp"


async def test_nobody_has_no_images(house: House) -> None:
    assert await house.person().list() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "query", [{"limit": 101}, {"limit": 0}, {"cursor": "nonsense"}, {"cursor": "AAAA"}, {"cursor": "/../"}]
)
async def test_a_page_out_of_range_is_refused(house: House, query: dict[str, object]) -> None:
    answer = await house.person().client.get(f"{API}/images", params=query)  # type: ignore[arg-type]
    assert answer.status_code == 422


async def test_without_a_token_there_is_nothing(house: House, owner: Person) -> None:
    image_id = (await owner.list(limit=1))["items"][0]["id"]
    for path in ("/images", f"/images/{image_id}", f"/images/{image_id}/download"):
        answer = await owner.client.get(f"{API}{path}", headers={"Authorization": ""})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_another_persons_image_is_not_there(house: House, owner: Person) -> None:
    image_id = (await owner.list(limit=1))["items"][0]["id"]
    stranger = house.person().client
    for path in ("", "/download", "/thumbnail", "/thumbnail?size=large"):
        answer = await stranger.get(f"{API}/images/{image_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "image-not-found")
    assert (await stranger.patch(f"{API}/images/{image_id}", json={"caption": "mine"})).status_code == 404
    assert (await stranger.delete(f"{API}/images/{image_id}")).status_code == 404
    assert (await owner.image(image_id))["caption"] == "number 6"


async def test_a_caption_is_changed_and_taken_away(house: House) -> None:
    person = house.person()
    path = f"{API}/images/{(await person.upload(photograph(64, 64)))['id']}"
    assert (await person.client.patch(path, json={"caption": " dusk "})).json()["caption"] == "dusk"
    assert (await person.client.patch(path, json={"caption": None})).json()["caption"] is None
    for bad in ({"caption": "x" * 501}, {"caption": " "}, {}, {"caption": "a", "state": "ready"}):
        assert (await person.client.patch(path, json=bad)).status_code == 422


async def test_a_deleted_image_is_hidden_at_once_and_gone_soon(house: House) -> None:
    person = house.person()
    image = await person.upload()
    kept = await person.upload()
    await person.ready(image["id"])
    await person.ready(kept["id"])
    path = f"{API}/images/{image['id']}"

    assert (await person.client.delete(path)).status_code == 204

    assert [each["id"] for each in (await person.list())["items"]] == [kept["id"]]
    for gone in (path, f"{path}/download", f"{path}/thumbnail"):
        assert (await person.client.get(gone)).status_code == 404
    assert (await person.client.delete(path)).status_code == 404
    assert (await person.client.post(f"{API}/uploads/{image['id']}/complete")).status_code == 404

    async def gone_for_good() -> bool:
        return [str(row.id) for row in await house.rows(person.id)] == [kept["id"]]

    await eventually(gone_for_good)
    assert {name.split("/")[0] for name in await house.objects(person.id)} == {kept["id"]}
    (event,) = await published(house.settings.kafka_bootstrap, ImageDeletedV1, person.id)
    assert str(event.image_id) == image["id"]


async def test_an_image_deleted_before_its_thumbnails_leaves_none(house: House) -> None:
    person = house.person()
    for _ in range(3):
        image = await person.upload(photograph(1200, 900))
        assert (await person.client.delete(f"{API}/images/{image['id']}")).status_code == 204

    async def nothing_left() -> bool:
        return not await house.rows(person.id) and not await house.objects(person.id)

    await eventually(nothing_left)


async def test_an_image_that_never_was_is_not_there(house: House) -> None:
    answer = await house.person().client.get(f"{API}/images/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "image-not-found")


async def test_nothing_of_a_hidden_person_is_shown_until_they_are_back(house: House) -> None:
    person = house.person()
    image = await person.upload(photograph(64, 64))
    hidden_at = now() + timedelta(minutes=1)  # every token of this test is older
    await house.say(
        UserHiddenV1(
            user_id=person.id, reason="by-person", erased_from=hidden_at, hidden_at=hidden_at, sequence=1
        )
    )
    await eventually(lambda: _answers(person, "/images", 410), within_s=60)
    for path in ("", "/download", "/thumbnail"):
        answer = await person.client.get(f"{API}/images/{image['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (410, "account-hidden")
    await house.say(UserRestoredV1(user_id=person.id, sequence=2))
    await eventually(lambda: _answers(person, "/images", 200), within_s=60)
    assert [each["id"] for each in (await person.list())["items"]] == [image["id"]]


async def test_who_restricted_processing_sees_the_gallery_and_adds_nothing_to_it(house: House) -> None:
    person = house.person()
    image = await person.upload(photograph(64, 64))
    ticket = await person.begin(100)
    await house.say(UserRestrictedV1(user_id=person.id, sequence=1))

    async def refused() -> bool:
        return (await person.complete(ticket["upload_id"])).status_code == 409

    await eventually(refused, within_s=60)
    body = {"media_type": "image/jpeg", "size_bytes": 100}
    answer = await person.client.post(f"{API}/uploads", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "processing-restricted")
    assert [each["id"] for each in (await person.list())["items"]] == [image["id"]]


async def _answers(person: Person, path: str, status: int) -> bool:
    return (await person.client.get(f"{API}{path}")).status_code == status
