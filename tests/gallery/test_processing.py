"""Pictures whose process is killed: by its machine, which passes, or by the picture, which does not."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from libs.common.bus.letters.rows import DeadLetter
from libs.common.clock import new_id
from libs.common.events.generation import GenerationCompletedV1
from libs.common.testing.waiting import eventually
from services.gallery import processing
from services.gallery.errors import ImagingDied
from services.gallery.objects import GENERATED
from tests.gallery.house import House, Person, photograph


def killed(deaths: Path, times: int, name: str, *args: object) -> Any:
    """Die in the child, as by a machine without memory, some times; then do what is asked for."""
    with deaths.open("ab") as file:
        file.write(b".")
    if deaths.stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return getattr(processing, name)(*args)


def kill(patch: pytest.MonkeyPatch, name: str, deaths: Path, times: int) -> None:
    """Have the processes killed that do one kind of work."""
    call = partial(killed, deaths, times, name)
    setattr(call, "__qualname__", name)  # noqa: B010 - which a function has, and the pool logs
    patch.setattr(processing, name, call)


async def drawn(house: House, person: Person) -> GenerationCompletedV1:
    """Return what generation says of an image that it made."""
    name = f"{house.prefix(person.id)}/{new_id()}/0"
    await house.storage.put(GENERATED, name, photograph(), "image/jpeg")
    return GenerationCompletedV1(
        user_id=person.id, job_id=new_id(), image_ids=[new_id()], object_names=[name], credits=1
    )


async def letters(house: House) -> list[str]:
    """Return why events of gallery were given up."""
    return [row["code"] for row in await house.mongo.collection(DeadLetter).find({})]


async def arrived(house: House, person: Person) -> bool:
    return bool(await house.rows(person.id))


async def test_an_image_is_imported_once_its_process_is_left_alive(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = house.person()
    kill(monkeypatch, "measure", tmp_path / "deaths", times=2)
    await house.say(await drawn(house, person))
    await eventually(partial(arrived, house, person), within_s=180)
    assert (tmp_path / "deaths").stat().st_size == 3
    assert await letters(house) == []


async def test_thumbnails_are_made_once_their_process_is_left_alive(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = house.person()
    kill(monkeypatch, "shrink", tmp_path / "deaths", times=2)
    await person.ready((await person.upload())["id"])
    assert await letters(house) == []


async def test_an_upload_that_kills_its_process_is_refused_at_once(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = house.person()
    kill(monkeypatch, "clean", tmp_path / "deaths", times=1000)
    answer = await person.send(photograph())
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-image")
    assert await house.objects(person.id) == []


async def test_a_picture_that_goes_on_killing_becomes_a_dead_letter(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ImagingDied.patience_s == 600
    monkeypatch.setattr(ImagingDied, "patience_s", 1.0)
    kill(monkeypatch, "measure", tmp_path / "deaths", times=1000)
    await house.say(await drawn(house, house.person()))
    assert await eventually(partial(letters, house), within_s=180) == ["imaging-died"]
