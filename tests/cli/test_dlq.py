"""The dead letters' commands against a whole service that fails when it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from cli.letters import Chosen
from cli.platform import Platform, Token
from libs.common.bus.letters.rows import DeadLetter, State
from libs.common.errors import Conflict
from libs.common.settings import CommonSettings
from libs.common.testing.serving import serving
from libs.common.testing.waiting import eventually
from services.auth.main import create_app as auth
from services.auth.settings import AuthSettings
from services.auth.tokens import AccessTokens
from tests.cli.conftest import Ran, both, pixera
from tests.common.bus.harness import Bench, open_bench
from tests.common.bus.letters import Refuses, failing_service, letters, letters_reach


@dataclass
class House:
    """The service, and the environment that leads the command to it."""

    bench: Bench
    refuses: Refuses
    env: dict[str, str]

    async def dlq(self, *arguments: str) -> Ran:
        return await pixera("dlq", *arguments, "--service", "gallery", **self.env)

    async def told(self, *arguments: str) -> Any:
        ran = await self.dlq(*arguments, "--json")
        assert ran.out, ran.err
        return json.loads(ran.out)

    async def fail(self, *numbers: int) -> DeadLetter:
        """Publish a person's numbers, the first of which fails; return its letter."""
        self.refuses.numbers.add(numbers[0])
        person = uuid4()
        await self.bench.publish(*(self.bench.event(user_id=person, number=number) for number in numbers))

        async def look() -> DeadLetter | None:
            found = await letters(self.bench, State.OPEN)
            return next((letter for letter in found if letter.user_id == person), None)

        letter = await eventually(look)
        assert letter is not None
        return letter


@pytest.fixture
async def house(common_settings: CommonSettings) -> AsyncIterator[House]:
    """Auth to sign in with, and the service, behind one address."""
    settings = AuthSettings()
    assert settings.staff_password is not None
    jwks = json.dumps(AccessTokens(settings).jwks)
    told = common_settings.model_copy(
        update={
            "jwks": jwks,
            "mongo_database_prefix": f"{common_settings.mongo_database_prefix}{uuid4().hex[:6]}_",
        }
    )
    bench = await open_bench(told, "gallery")
    refuses = Refuses(bench)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIXERA_JWKS", jwks)
        people = auth("api")
    async with serving(both(people, failing_service(told, bench, refuses))) as address:
        password = settings.staff_password.get_secret_value()
        yield House(bench, refuses, {"PIXERA_URL": address, "PIXERA_STAFF_PASSWORD": password})
    await bench.close()


async def test_letters_are_listed_shown_and_redriven(house: House) -> None:
    assert "no dead letters" in (await house.dlq("list")).out
    letter = await house.fail(1, 2, 3)
    await letters_reach(house.bench, 2, State.PARKED)
    assert [each["state"] for each in await house.told("list")].count("parked") == 2
    (listed,) = await house.told(
        "list", "--state", "open", "--error", "invalid", "--topic", house.bench.topic
    )
    assert (listed["service"], listed["id"]) == ("gallery", str(letter.id))
    assert await house.told("list", "--older-than", "1h") == []
    shown = await house.dlq("show", str(letter.id))
    assert f"user_id={letter.user_id}" in shown.out.replace("\n", "")
    house.refuses.numbers.clear()
    ran = await house.dlq("redrive", str(letter.id), "--reason", "bug-1234")
    assert ran.code == 0, ran.err
    assert await house.bench.effects_reach(3) == [1, 2, 3]
    again = await house.dlq("redrive", str(letter.id), "--reason", "bug-1234")
    assert again.code == 1
    assert "settled" in again.err


async def test_many_are_redriven_at_once_and_what_fails_again_is_told(house: House) -> None:
    for number in (10, 20):
        await house.fail(number)
    await letters_reach(house.bench, 2, State.OPEN)
    house.refuses.numbers = {20}
    refused = await house.dlq("redrive")
    assert refused.code == 2
    assert "--all" in refused.err
    ran = await house.dlq("redrive", "--group", house.bench.group, "--json")
    assert ran.code == 1
    assert json.loads(ran.out) == [{"service": "gallery", "asked": 2, "left": 1}]
    assert await house.bench.effects() == [10]


async def test_what_fails_for_another_reason_is_not_taken_for_delivered(house: House) -> None:
    """Nor is what waits behind: it fails with a code, and after the first, that nobody asked for."""
    await house.fail(30)
    await house.fail(40, 41)
    await letters_reach(house.bench, 2, State.OPEN)
    house.refuses.numbers, house.refuses.error = {30, 41}, Conflict()
    ran = await house.dlq("redrive", "--error", "invalid", "--json")
    assert json.loads(ran.out) == [{"service": "gallery", "asked": 2, "left": 2}]
    assert (ran.code, await house.bench.effects()) == (1, [40])


async def test_many_are_discarded_by_one_sign_in_and_told_also_where_one_is_not(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = [await house.fail(number) for number in (50, 60, 70)]
    await house.bench.mongo.collection(DeadLetter).update_one(
        {"_id": failed[1].id}, {"$set": {"state": State.REDRIVING.value, "lane": uuid4()}}
    )
    monkeypatch.setenv("PIXERA_URL", house.env["PIXERA_URL"])
    monkeypatch.setenv("PIXERA_STAFF_PASSWORD", house.env["PIXERA_STAFF_PASSWORD"])
    signed_in, sign_in = list[Token](), Platform._sign_in

    def counted(platform: Platform) -> Token:
        signed_in.append(sign_in(platform))
        return signed_in[-1]

    monkeypatch.setattr(Platform, "_sign_in", counted)
    chosen, open_ = Chosen("gallery"), [{"service": "gallery", "id": str(each.id)} for each in failed]
    monkeypatch.setattr(Chosen, "letters", lambda *_, **__: open_)
    gone = await asyncio.to_thread(chosen.discard_all, "test-data")
    assert [each["id"] for each in gone] == [str(failed[0].id), str(failed[2].id)]
    assert [(error.status, error.code) for error in chosen.unanswered] == [(409, 1)]
    assert len(signed_in) == 1


async def test_a_service_that_does_not_answer_hides_no_other(house: House) -> None:
    letter = await house.fail(80)
    ran = await pixera("dlq", "list", "--json", **house.env)  # of five services one is there
    assert (ran.code, [each["id"] for each in json.loads(ran.out)]) == (2, [str(letter.id)])
    shown = await pixera("dlq", "show", str(letter.id), "--json", **house.env)
    assert (shown.code, json.loads(shown.out)["id"]) == (0, str(letter.id))


async def test_a_letter_and_a_filter_are_two_things(house: House) -> None:
    for command in ("redrive", "discard"):
        ran = await house.dlq(command, str(uuid4()), "--group", "gallery.other", "--reason", "test-data")
        assert (ran.code, "not both" in ran.err) == (2, True)


async def test_discarding_needs_a_reason_that_is_a_code(house: House) -> None:
    letter = await house.fail(100, 101)
    assert (await house.dlq("discard", str(letter.id))).code == 2
    typed = await house.dlq("discard", str(letter.id), "--reason", "Ada asked for it")
    assert typed.code == 2
    gone = await house.told("discard", "--reason", "test-data", "--group", house.bench.group)
    assert [(each["id"], each["state"]) for each in gone] == [(str(letter.id), "discarded")]
    assert await house.bench.effects_reach(1) == [101]


async def test_a_letter_of_nobody_is_not_found(house: House) -> None:
    ran = await house.dlq("show", str(uuid4()))
    assert ran.code == 2
    assert "No service has such a letter" in ran.err
