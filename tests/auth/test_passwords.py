"""Hashing passwords beside the event loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from libs.common.errors import Unavailable
from services.auth.errors import WeakPassword
from services.auth.passwords import Passwords
from services.auth.settings import AuthSettings

RIGHT, WRONG = SecretStr("umbrella-Lantern-42"), SecretStr("umbrella-Lantern-43")


@pytest.fixture
async def passwords(settings: AuthSettings) -> AsyncIterator[Passwords]:
    made = Passwords(settings)
    yield made
    await made.close()


async def test_a_hash_matches_its_password_only(passwords: Passwords) -> None:
    digest = await passwords.hash(RIGHT)
    assert await passwords.verify(digest, RIGHT)
    assert not await passwords.verify(digest, WRONG)
    assert digest != await passwords.hash(RIGHT)
    assert not passwords.is_outdated(digest)


@pytest.mark.parametrize("digest", [None, "", "plain text", "$argon2id$v=19$m=1$broken"])
async def test_nothing_matches_where_there_is_no_proper_hash(
    passwords: Passwords, digest: str | None
) -> None:
    assert not await passwords.verify(digest, RIGHT)
    assert not await passwords.verify(digest, SecretStr(""))


async def test_the_loop_goes_on_while_passwords_are_hashed(passwords: Passwords) -> None:
    turns, count = 0, 12
    hashing = asyncio.gather(*(passwords.hash(RIGHT) for _ in range(count)))
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 3 * count, "a loop that hashes itself has one turn a hash"


async def test_the_queue_ends(settings: AuthSettings) -> None:
    short = Passwords(settings.model_copy(update={"argon2_queue": 3}))
    outcomes = await asyncio.gather(*(short.hash(RIGHT) for _ in range(8)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(Unavailable) == 5
    assert await short.verify(await short.hash(RIGHT), RIGHT)
    await short.close()


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "umbrella-Lantern-42",
        "тридцать три коровы",
        "x7#kQ2!pLm9z",
        "🦊" * 3 + " den by the river",
    ],
)
async def test_good_passwords_of_all_kinds_are_taken(passwords: Passwords, password: str) -> None:
    await passwords.accept(SecretStr(password), about=("ada", "ada@example.com"))


@pytest.mark.parametrize(
    "password",
    ["password1234", "qwertyuiop12", "iloveyou1234", "aaaaaaaaaaaaaaaa", "adalovelace1", "abcd1234" * 16],
)
async def test_passwords_that_are_guessed_first_are_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        await passwords.accept(SecretStr(password), about=("adalovelace", "ada@example.com"))
    assert refused.value.extra == {"reason": "guessable"}
    assert password not in str(refused.value)


async def test_rating_a_long_password_takes_no_long_time(passwords: Passwords) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(WeakPassword):
        await passwords.accept(SecretStr("a" * 128), about=())
    assert loop.time() - started < 0.5
