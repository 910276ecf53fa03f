"""What is sealed opens for its own person only, and for nobody once the key is destroyed."""

import asyncio
import gc
import re
import weakref
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest

from libs.common.errors import SubjectErased
from libs.common.events.base import Sealed
from libs.common.mongo import Mongo
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings, MongoDriver
from libs.common.vault.cipher import SealBroken
from libs.common.vault.keys import DataKey, vault_database
from tests.common.vault.conftest import House

VALUES: list[Any] = [
    "Ada at the sea",
    "",
    {"caption": "größer", "taken_at": datetime(2026, 5, 4, 18, 30, tzinfo=UTC), "parts": [1, 2.5, None]},
    b"bytes",
    uuid4(),
]


def rows(house: House, mongo: Mongo) -> Any:
    return Mongo(mongo.client, vault_database(house.settings)).collection(DataKey)


async def test_what_is_sealed_opens_to_what_it_was(vault: House) -> None:
    person = uuid4()
    sealed = await vault.sealing.seal(person, VALUES)
    assert await vault.sealing.opened(person, sealed) == VALUES
    assert all(re.fullmatch(get_args(Sealed)[1].pattern, each) for each in sealed)
    assert not [each for each in sealed if b"Ada".hex() in each or "Ada" in each]


async def test_the_same_words_are_never_sealed_alike(vault: House) -> None:
    sealed = await vault.sealing.seal(uuid4(), ["same"] * 20)
    assert len(set(sealed)) == 20


async def test_a_person_has_one_key_however_many_ask_first(vault: House, mongo: Mongo) -> None:
    person = uuid4()
    others = [Sealing(vault.settings, vault.keys) for _ in range(4)]
    sealed = await asyncio.gather(*(each.seal(person, ["word"]) for each in [vault.sealing, *others] * 3))
    assert await rows(vault, mongo).count({"keyAltNames": vault.keys.name_of(person)}) == 1
    assert await vault.sealing.opened(person, [one for (one,) in sealed]) == ["word"] * 15
    for each in others:
        await each.close()


async def test_another_persons_key_opens_nothing(vault: House) -> None:
    person, other = uuid4(), uuid4()
    (mine,), (theirs,) = (
        await vault.sealing.seal(person, ["mine"]),
        await vault.sealing.seal(other, ["theirs"]),
    )
    assert await vault.sealing.opened(other, [mine, theirs]) == [None, "theirs"]


async def test_what_was_changed_is_refused_and_not_taken_for_erased(vault: House) -> None:
    person = uuid4()
    (sealed,) = await vault.sealing.seal(person, ["word"])
    changed = sealed[:-8] + ("AAAA" if sealed[-8:-4] != "AAAA" else "BBBB") + sealed[-4:]
    with pytest.raises(SealBroken):
        await vault.sealing.opened(person, [changed])
    assert await vault.sealing.opened(person, [sealed]) == ["word"]


async def test_the_key_says_nothing_of_its_person(vault: House, mongo: Mongo) -> None:
    person = uuid4()
    await vault.sealing.seal(person, ["word"])
    row = await rows(vault, mongo).find_one({"keyAltNames": vault.keys.name_of(person)})
    assert row is not None
    assert set(row) <= {field.alias or name for name, field in DataKey.model_fields.items()}
    assert not [value for value in row.values() if str(person) in str(value) or value == person]
    assert DataKey.from_mongo(row).to_mongo()["keyAltNames"] == row["keyAltNames"]


async def test_once_the_key_is_destroyed_nothing_opens_and_nothing_is_sealed(vault: House) -> None:
    person = uuid4()
    sealed = await vault.sealing.seal(person, VALUES)
    assert await vault.keys.count(person) == 1
    assert await vault.keys.destroy(person) == 1
    vault.sealing.forget(person)
    assert await vault.sealing.opened(person, sealed) == [None] * len(VALUES)
    with pytest.raises(SubjectErased):
        await vault.sealing.seal(person, ["again"])
    assert await vault.keys.count(person) == 0


async def test_destroying_again_says_the_same(vault: House, mongo: Mongo) -> None:
    person, stranger = uuid4(), uuid4()
    await vault.sealing.seal(person, ["word"])
    assert await asyncio.gather(*(vault.keys.destroy(person) for _ in range(5))) == [1] * 5
    assert await asyncio.gather(*(vault.keys.destroy(stranger) for _ in range(5))) == [0] * 5
    for each in (person, stranger):
        row = await rows(vault, mongo).find_one({"keyAltNames": vault.keys.name_of(each)})
        assert row is not None
        assert "keyMaterial" not in row


async def test_who_never_had_a_key_gets_none_after_the_erasure(vault: House) -> None:
    person = uuid4()
    await vault.keys.destroy(person)
    with pytest.raises(SubjectErased):
        await vault.sealing.seal(person, ["word"])


async def test_a_first_seal_and_the_destruction_at_one_moment_leave_no_key(vault: House) -> None:
    """Whichever comes first: the unique name lets a person have a key or a mark, and the mark stays."""
    outcomes = set()
    for _ in range(30):
        person = uuid4()
        sealing, destroying = (
            asyncio.create_task(vault.sealing.seal(person, ["word"])),
            asyncio.create_task(vault.keys.destroy(person)),
        )
        (outcome,) = await asyncio.gather(sealing, return_exceptions=True)
        destroyed = await destroying
        assert isinstance(outcome, list | SubjectErased)
        outcomes.add((type(outcome), destroyed))
        assert await vault.keys.count(person) == 0
        vault.sealing.forget(person)
        with pytest.raises(SubjectErased):
            await vault.sealing.seal(person, ["again"])
    assert outcomes, "the race was never run"


async def test_both_drivers_seal_alike(vault: House) -> None:
    person = uuid4()
    (sealed,) = await vault.sealing.seal(person, ["word"])
    settings = CommonSettings.model_validate(
        vault.settings.model_dump() | {"mongo_driver": MongoDriver.PYMONGO}
    )
    mongo = Mongo.connect(settings, "tests")
    keys = type(vault.keys)(mongo, settings)
    other = Sealing(settings, keys)
    assert await other.opened(person, [sealed]) == ["word"]
    assert await keys.destroy(person) == 1
    other.forget(person)
    assert await other.opened(person, [sealed]) == [None]
    await other.close()
    await mongo.close()


async def test_what_is_forgotten_leaves_the_memory(vault: House) -> None:
    """The library's own cache goes with its owner: nothing else may hold on to it."""
    person = uuid4()
    await vault.sealing.seal(person, ["word"])
    held = weakref.ref(vault.sealing._cipher._encryption._encryption.mongocrypt)  # type: ignore[union-attr]
    assert held() is not None
    gc.disable()
    try:
        vault.sealing.forget(person)
        assert held() is None
    finally:
        gc.enable()


async def test_the_loop_goes_on_while_a_page_is_sealed(vault: House) -> None:
    person, ticks, done = uuid4(), 0, asyncio.Event()

    async def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    sealed = await vault.sealing.seal(person, ["x" * 500] * 2_000)
    assert len(await vault.sealing.opened(person, sealed)) == 2_000
    done.set()
    await ticking
    assert ticks > 20


def test_without_a_master_key_nothing_is_sealed(vault: House) -> None:
    settings = CommonSettings.model_validate(vault.settings.model_dump() | {"vault_master_key": None})
    with pytest.raises(TypeError, match="PIXERA_VAULT_MASTER_KEY"):
        Sealing(settings, vault.keys)


def test_names_are_of_the_person_and_the_pseudonym_key(vault: House) -> None:
    person = UUID(int=7)
    assert vault.keys.name_of(person) == vault.keys.name_of(person)
    assert len({vault.keys.name_of(UUID(int=number)) for number in range(100)}) == 100
