"""Photographs' details: kept until their person objects, gone then, and kept again from when they no longer do."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from libs.common.clock import now
from libs.common.consents import Switchboard
from libs.common.events.auth import ConsentChangedV1
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.privacy.purposes import Decision
from libs.common.testing.waiting import eventually
from tests.gallery.house import House, Person, photograph

T = TypeVar("T")
PURPOSE = ChosenPurpose.PHOTO_DETAILS


def word(user_id: UUID, sequence: int, state: Decision, purpose: ChosenPurpose = PURPOSE) -> ConsentChangedV1:
    return ConsentChangedV1(
        user_id=user_id,
        purpose=purpose,
        state=state,
        policy_version="1",
        sequence=sequence,
        changed_at=now(),
    )


async def heard(house: House, event: ConsentChangedV1) -> None:
    """Say something, and wait until gallery has taken it in."""
    await house.say(event)

    async def known() -> bool:
        found = (await house.service.details._consents.standings(event.user_id)).get(event.purpose)
        return found is not None and found.sequence >= event.sequence

    await eventually(known)


async def detailed(house: House, person: Person) -> set[UUID]:
    """The images of a person that say when or with what they were taken."""
    return {row.id for row in await house.rows(person.id) if row.camera or row.taken_at}


async def test_an_objection_stops_it_removes_what_was_kept_and_can_be_taken_back(house: House) -> None:
    person, other = house.person(), house.person()
    before, others = await person.upload(caption="kept"), await other.upload()
    assert (await person.image(before["id"]))["camera"] == "Pentacon Six TL"

    await heard(house, word(person.id, 1, Decision.OBJECTED))
    await eventually(lambda: gone(house, person))
    during = await person.upload()
    assert (during["camera"], during["taken_at"]) == (None, None)
    assert (await person.image(before["id"]))["caption"] == "kept"
    assert await detailed(house, other) == {UUID(others["id"])}

    await heard(house, word(person.id, 2, Decision.GIVEN))
    after = await person.upload()
    assert after["camera"] == "Pentacon Six TL"
    assert await detailed(house, person) == {UUID(after["id"])}


async def gone(house: House, person: Person) -> bool:
    return not await detailed(house, person)


async def test_an_objection_that_comes_while_uploads_are_under_way_leaves_none_behind(house: House) -> None:
    person = house.person()
    uploads = [asyncio.create_task(person.send(photograph())) for _ in range(4)]
    await eventually(lambda: detailed(house, person))
    await heard(house, word(person.id, 1, Decision.OBJECTED))
    answers = await asyncio.gather(*uploads)
    assert [answer.status_code for answer in answers] == [201] * 4
    await eventually(lambda: gone(house, person))


async def test_an_upload_that_asked_before_the_objection_and_commits_after_its_sweep_looks_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, details = house.person(), house.service.details
    ask = details.wanted

    async def ask_and_be_overtaken(user_id: UUID) -> bool:
        wanted = await ask(user_id)
        await details.follow(word(user_id, 1, Decision.OBJECTED), committed)
        return wanted

    monkeypatch.setattr(details, "wanted", ask_and_be_overtaken)
    await person.upload()
    assert await gone(house, person)


async def test_an_upload_that_died_before_it_looked_again_is_looked_at_by_the_worker(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, details = house.person(), copy(house.service.details)
    ask = details.wanted

    async def ask_and_be_overtaken(user_id: UUID) -> bool:
        wanted = await ask(user_id)
        await details.follow(word(user_id, 1, Decision.OBJECTED), committed)
        return wanted

    async def die(*_: object) -> None:
        raise OSError("killed after the commit")

    monkeypatch.setattr(details, "wanted", ask_and_be_overtaken)
    monkeypatch.setattr(details, "look_again", die)
    monkeypatch.setattr(house.service.uploads, "_details", details)
    assert (await person.send(photograph())).status_code == 500
    (row,) = await house.rows(person.id)
    await person.ready(str(row.id))
    assert await gone(house, person)


async def committed(work: Callable[[], Awaitable[T]]) -> T:
    """Commit an event's effect, of a delivery that nobody repeats."""
    return await work()


async def test_gallery_keeps_no_copy_of_what_it_does_not_ask_about(house: House) -> None:
    user_id = uuid4()
    await house.say(word(user_id, 1, Decision.GIVEN, ChosenPurpose.PERSONALISATION))
    await heard(house, word(user_id, 1, Decision.OBJECTED))
    (board,) = await house.mongo.collection(Switchboard).find({"_id": user_id})
    assert set(board["standings"]) == {"photo-details"}
