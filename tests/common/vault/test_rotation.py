"""A new master key takes over from the old one while both are in use, and loses no key and brings none back."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.vault.cipher import MasterUnknown, SealBroken
from libs.common.vault.masters import BadMasterKey, masters
from tests.common.vault.conftest import House

ALL = 1_000
Start = Callable[..., Sealing]


def new_master() -> str:
    return base64.b64encode(secrets.token_bytes(96)).decode()


@pytest.fixture
async def start(vault: House) -> AsyncIterator[Start]:
    """Start processes that were told master keys, the first of which wraps."""
    async with AsyncExitStack() as stack:

        def process(*keys: str) -> Sealing:
            told = vault.settings.model_dump() | {"vault_master_key": ",".join(keys)}
            sealing = Sealing(CommonSettings.model_validate(told), vault.keys)
            stack.push_async_callback(sealing.close)
            return sealing

        yield process


@pytest.fixture
def old(vault: House) -> str:
    key = vault.settings.vault_master_key
    assert key is not None
    return key.get_secret_value()


async def sealed_by(sealing: Sealing, people: int) -> dict[UUID, str]:
    return {
        person: (await sealing.seal(person, [str(person)]))[0] for person in (uuid4() for _ in range(people))
    }


async def opens(sealing: Sealing, everyone: dict[UUID, str]) -> bool:
    return all(
        [await sealing.opened(person, [sealed]) == [str(person)] for person, sealed in everyone.items()]
    )


async def test_every_key_is_wrapped_anew_and_all_stays_readable(vault: House, start: Start, old: str) -> None:
    new = new_master()
    people = await sealed_by(vault.sealing, 5)
    before, during = start(old), start(new, old)
    assert await opens(during, people)
    people |= await sealed_by(during, 2)
    state = await during.state()
    assert state.waiting == state.keys - 2 >= 5

    rounds = 0
    while some := await during.waiting(3):
        assert await during.rewrap(some) == len(some)
        rounds += 1
        assert await opens(during, people), "a key could not be used in the middle of it"
    assert rounds > 1, "it was one round: nothing was resumed"

    state = await during.state()
    assert (state.waiting, state.master) == (0, during.master)
    assert await opens(start(new), people), "the old master is still needed"
    with pytest.raises(SealBroken):
        await before.opened(*next((person, [sealed]) for person, sealed in people.items()))
    back = start(old, new)  # for the tests that come after
    await back.rewrap(await back.waiting(ALL))
    assert await opens(vault.sealing, people)


async def test_reading_and_writing_go_on_while_keys_are_wrapped_anew(
    vault: House, start: Start, old: str
) -> None:
    """By processes that wrap with the new master already, and by those that have yet to be told so."""
    people = await sealed_by(vault.sealing, 10)
    new = new_master()
    told, not_yet = start(new, old), start(old, new)
    rotated = asyncio.Event()

    async def use(sealing: Sealing) -> int:
        uses = 0
        while not rotated.is_set() or uses < 3:
            for person in [*people]:
                (again,) = await sealing.seal(person, [str(person)])
                assert await sealing.opened(person, [again, people[person]]) == [str(person)] * 2
            assert await opens(sealing, await sealed_by(sealing, 1)), "nobody new could be let in"
            uses += 1
        return uses

    using = asyncio.gather(use(told), use(not_yet))
    while some := await told.waiting(2):
        await told.rewrap(some)
    rotated.set()
    assert min(await using) >= 3
    back = start(old, new)
    await back.rewrap(await back.waiting(ALL))


async def test_a_key_that_is_destroyed_meanwhile_is_not_brought_back(
    vault: House, start: Start, old: str
) -> None:
    people = await sealed_by(vault.sealing, 20)
    new = new_master()
    during = start(new, old)
    chosen = await during.waiting(ALL)
    destroying = [asyncio.create_task(vault.keys.destroy(person)) for person in people]
    await asyncio.gather(during.rewrap(chosen), during.rewrap(chosen), *destroying)
    await during.rewrap(chosen)
    for person, sealed in people.items():
        assert await vault.keys.count(person) == 0
        assert await start(new, old).opened(person, [sealed]) == [None]
    back = start(old, new)
    await back.rewrap(await back.waiting(ALL))


async def test_a_master_that_nobody_was_told_stops_the_rotation(vault: House, start: Start, old: str) -> None:
    await sealed_by(vault.sealing, 1)
    with pytest.raises(MasterUnknown):
        await start(new_master()).waiting(ALL)


@pytest.mark.parametrize("key", ["", "unused", "not base64!", base64.b64encode(b"short").decode()])
def test_a_bad_master_key_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(BadMasterKey) as refused:
        masters(SecretStr(f"{new_master()},{key}"))
    assert not key or key not in str(refused.value)


def test_a_master_goes_by_the_same_name_everywhere() -> None:
    first, second = new_master(), new_master()
    both = masters(SecretStr(f"{first}, {second}"))
    assert both.current == masters(SecretStr(first)).current
    assert masters(SecretStr(second)).current in both.providers
    assert first not in both.current
