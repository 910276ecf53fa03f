"""What gallery's events carry of a person's content opens with the person's key, and says nothing without it."""

import io
import json
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

import pytest
from PIL import Image as Picture

from libs.common.clock import new_id, now
from libs.common.errors import SubjectErased
from libs.common.events.auth import UserDeletedV1
from libs.common.events.base import Event, Sealed
from libs.common.events.gallery import ImageCaptionedV1, ImageReadyV1, ImageUploadedV1
from libs.common.privacy.annotations import personal_fields
from libs.common.testing.kafka import records_of
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from libs.common.vault.keys import DataKeys
from services.gallery.announcing import DETAILS
from services.gallery.models import Image
from tests.gallery.house import API, CAMERA, House, Person

E = TypeVar("E", bound=Event)
WORDS = "the lighthouse where we met"
EDITED = "what Ada called it later"
CARRIED = {*DETAILS, "placeholder"}


def test_every_personal_field_of_an_image_travels_sealed() -> None:
    """A new one has to be sealed into an event as well, or the listing can no longer be rebuilt from the log."""
    assert set(personal_fields(Image)) - {"user_id"} == CARRIED
    assert not {field for kind in (ImageUploadedV1, ImageReadyV1) for field in kind.model_fields} & CARRIED


async def test_the_events_of_an_image_open_to_what_its_row_has(house: House) -> None:
    person = house.person()
    image = await person.upload(caption=WORDS)
    await edit(person, image["id"], EDITED)
    await edit(person, image["id"], None)
    await person.ready(image["id"])
    (row,) = await house.rows(person.id)

    (uploaded,) = await heard(house, ImageUploadedV1, person)
    (details,) = await opened(house, person, uploaded.sealed_details)
    assert details == {"caption": WORDS, "taken_at": row.taken_at, "camera": row.camera}
    assert isinstance(row.taken_at, datetime)
    assert row.camera
    (ready,) = await heard(house, ImageReadyV1, person)
    assert await opened(house, person, ready.sealed_placeholder) == [row.placeholder]
    assert row.placeholder
    captions = await heard(house, ImageCaptionedV1, person, 2)
    assert captions[1].sealed_caption is None
    assert await opened(house, person, captions[0].sealed_caption) == [EDITED]
    assert row.caption is None


async def test_an_image_without_content_has_nothing_sealed(house: House) -> None:
    person = house.person()
    await person.upload(plain())
    (uploaded,) = await heard(house, ImageUploadedV1, person)
    assert uploaded.sealed_details is None


async def test_nothing_a_person_typed_is_in_the_log(house: House) -> None:
    person = house.person()
    image = await person.upload(caption=WORDS)
    await edit(person, image["id"], EDITED)
    await person.ready(image["id"])
    await heard(house, ImageCaptionedV1, person)
    records = [
        b"".join([record.value or b"", *(value or b"" for _, value in record.headers)])
        for kind in (ImageUploadedV1, ImageReadyV1, ImageCaptionedV1)
        for record in await records_of(house.settings.kafka_bootstrap, kind.topic)
    ]
    assert any(str(person.id).encode() in record for record in records), "the log was not read"
    (row,) = await house.rows(person.id)
    for said in (WORDS, EDITED, CAMERA[0], CAMERA[1], row.placeholder or ""):
        assert not [record for record in records if json.dumps(said)[1:-1].encode() in record], said


async def test_a_caption_of_no_image_is_told_to_nobody(house: House) -> None:
    person = house.person()
    answer = await person.client.patch(f"{API}/images/{uuid4()}", json={"caption": WORDS})
    assert answer.status_code == 404
    image = await person.upload()
    await edit(person, image["id"], EDITED)
    assert len(await heard(house, ImageCaptionedV1, person)) == 1


async def test_whose_key_is_destroyed_can_write_no_caption(house: House) -> None:
    person = house.person()
    image = await person.upload(caption=WORDS)
    before = await house.mongo.collection("images").find({"user_id": person.id})
    await DataKeys(house.mongo, house.settings).destroy(person.id)
    house.sealing.forget(person.id)
    answer = await person.client.patch(f"{API}/images/{image['id']}", json={"caption": EDITED})
    assert (answer.status_code, answer.json()["code"]) == (410, "subject-erased")
    after = await house.mongo.collection("images").find({"user_id": person.id})
    assert [row["caption"] for row in after] == [row["caption"] for row in before], "the row was changed"
    assert [row.caption for row in await house.rows(person.id)] == [None], "it does not read as erased"
    with pytest.raises(SubjectErased):
        await house.sealing.seal(person.id, [WORDS])


async def test_a_closed_account_takes_its_key_out_of_memory_at_once(house: House) -> None:
    person = house.person()
    await person.upload(caption=WORDS)
    known = house.sealing._cipher._known
    name = DataKeys(house.mongo, house.settings).name_of(person.id)
    known[name] = (known[name][0], float("inf"))  # by itself, it would never go
    await house.say(UserDeletedV1(user_id=person.id, case_id=new_id(), deleted_at=now()))

    async def gone() -> bool:
        return name not in known

    await eventually(gone, within_s=30)


async def edit(person: Person, image_id: str, caption: str | None) -> None:
    answer = await person.client.patch(f"{API}/images/{image_id}", json={"caption": caption})
    assert answer.status_code == 200, answer.text


async def heard(house: House, kind: type[E], person: Person, count: int = 1) -> list[E]:
    """Return the events of a kind about a person, once there are so many."""

    async def look() -> list[E]:
        found = await published(house.settings.kafka_bootstrap, kind, person.id)
        return found if len(found) >= count else []

    return await eventually(look, within_s=60)


async def opened(house: House, person: Person, sealed: Sealed | None) -> list[object]:
    assert sealed is not None
    return await house.sealing.opened(person.id, [sealed])


def plain() -> bytes:
    """Return a picture that says neither when nor with what it was taken."""
    file = io.BytesIO()
    Picture.new("RGB", (320, 240), "teal").save(file, "JPEG")
    return file.getvalue()
