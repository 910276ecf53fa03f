"""Signing in: who gets in, who is told what, and how guessing is slowed down."""

import asyncio
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from libs.common.bus.outbox import Outbox
from libs.common.clock import now
from libs.common.errors import TooMany
from libs.common.pacing import Pacing
from libs.common.privacy.tombstones import Tombstones
from libs.common.work import UnitOfWork
from services.auth.metrics import ARGON2_SECONDS
from services.auth.throttling import Gates
from tests.auth.people import ADDRESS, API, Auth, Person, form, problem, somebody

FREE_TRIES = 5


async def attempt(auth: Auth, login: str, password: str, **headers: str) -> tuple[int, str]:
    answer = await auth.client.post(
        f"{API}/sessions", json={"login": login, "password": password}, headers=headers
    )
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("field", ["email", "username"])
async def test_a_person_signs_in_by_address_or_name_in_any_case(auth: Auth, field: str) -> None:
    person = await auth.verified()
    login = str(getattr(person, field)).upper()
    answer = await auth.post("/sessions", {"login": login, "password": person.password})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert len(body["refresh_token"]) == 43


async def test_the_session_keeps_its_technical_data(auth: Auth) -> None:
    person = await auth.verified()
    headers = {"User-Agent": "Firefox/150 " + "x" * 300, "X-Forwarded-For": "10.0.0.1, 198.51.100.9"}
    await auth.sign_in(person, **headers)
    (row,) = await auth.rows("sessions", _id=person.session_id)
    assert row["ip"] == "198.51.100.9", "the last hop, which the gateway wrote"
    assert row["user_agent"] == headers["User-Agent"][:256]
    assert row["expires_at"] - row["created_at"] == timedelta(days=30)


async def test_only_hashes_of_refresh_tokens_are_stored(auth: Auth) -> None:
    person = await auth.signed_in()
    (row,) = await auth.rows("refresh_tokens", session_id=person.session_id)
    assert person.tokens["refresh_token"] not in str(row)
    assert row["expires_at"] - row["created_at"] == timedelta(days=14)


async def test_wrong_password_and_unknown_login_get_the_same_answer(auth: Auth) -> None:
    person = await auth.verified()
    bodies = [
        (await auth.post("/sessions", {"login": login, "password": "not the password"})).text
        for login in (person.email, person.username, somebody().email, somebody().username)
    ]
    assert len(set(bodies)) == 1
    assert "wrong-credentials" in bodies[0]


async def test_a_registration_does_not_tell_whether_its_address_has_an_account(auth: Auth) -> None:
    answers = []
    for email in (somebody().email, (await auth.registered()).email, (await auth.verified()).email):
        stranger = Person(email, somebody().username, "a-Strangers-own-words")
        assert (await auth.post("/users", form(stranger))).status_code == 202
        answers.append(await auth.sign_in(stranger))
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert answers[0].json()["code"] == "wrong-credentials"
    assert "not verified" in answers[0].json()["title"]


async def test_the_right_password_of_an_unverified_account_is_slowed_down_like_a_wrong_one(
    auth: Auth,
) -> None:
    person = await auth.registered()
    for _ in range(FREE_TRIES):
        assert await attempt(auth, person.email, person.password) == (401, "wrong-credentials")
    assert await attempt(auth, person.email, person.password) == (429, "too-many-requests")


async def test_a_known_and_an_unknown_login_cost_the_same_hashing(auth: Auth) -> None:
    """The time of an answer is the hash's; a clock would measure the machine, so hashes are counted."""

    async def hashes(login: str) -> float:
        before = _hashes()
        assert (await attempt(auth, login, "not the password"))[0] == 401
        return _hashes() - before

    assert await hashes((await auth.registered()).email) == 1
    assert await hashes((await auth.verified()).email) == 1
    assert await hashes(somebody().email) == 1


def _hashes() -> float:
    samples = [sample for metric in ARGON2_SECONDS.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_count"))


@pytest.mark.parametrize("is_known", [True, False])
async def test_guessing_is_slowed_down_alike_for_known_and_unknown(auth: Auth, is_known: bool) -> None:
    person = await auth.registered() if is_known else somebody()
    for _ in range(FREE_TRIES):
        assert await attempt(auth, person.email, "not the password") == (401, "wrong-credentials")
    answer = await auth.post("/sessions", {"login": person.email, "password": "not the password"})
    assert problem(answer, 429) == "too-many-requests"
    assert answer.headers["Retry-After"] == "1"


async def test_many_guesses_at_once_do_not_slip_through(auth: Auth) -> None:
    person = await auth.verified()
    outcomes = await asyncio.gather(*(attempt(auth, person.email, f"guess number {i}") for i in range(20)))
    assert [status for status, _ in outcomes].count(401) == FREE_TRIES


async def test_free_tries_at_once_are_not_refused(auth: Auth) -> None:
    for _ in range(5):
        person = await auth.registered()
        tries = (attempt(auth, person.email, "not the password") for _ in range(FREE_TRIES))
        assert {status for status, _ in await asyncio.gather(*tries)} == {401}


async def test_the_delay_doubles_and_ends(auth: Auth) -> None:
    person = await auth.registered()
    throttles = auth.mongo.collection("throttles")
    user_id = await auth.user_id(person)
    before = {row["_id"] for row in await auth.rows("throttles")}
    delays = []
    for _ in range(FREE_TRIES + 12):
        await attempt(auth, person.email, "not the password")
        rows = await auth.rows("throttles", user_id=user_id, _id={"$nin": list(before)})
        row = max(rows, key=lambda each: each["blocked_until"])
        delays.append(max(0, round((row["blocked_until"] - row["tried_at"]).total_seconds())))
        await throttles.update_one({"_id": row["_id"]}, {"$set": {"blocked_until": now()}})
    assert delays == [0] * 4 + [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]


async def test_the_right_password_forgives_the_wrong_ones(auth: Auth) -> None:
    person = await auth.verified()
    for _ in range(2):
        for _ in range(FREE_TRIES - 1):
            await attempt(auth, person.email, "not the password")
        assert (await auth.sign_in(person)).status_code == 201


async def test_a_stranger_cannot_keep_the_owner_out(auth: Auth) -> None:
    person = await auth.signed_in()
    stranger = {"X-Forwarded-For": "198.51.100.66"}
    for _ in range(FREE_TRIES + 1):
        last = await attempt(auth, person.email, "not the password", **stranger)
    assert last == (429, "too-many-requests")
    assert (await auth.sign_in(person, **{"X-Forwarded-For": ADDRESS})).status_code == 201


async def test_a_stranger_cannot_keep_the_owner_out_of_a_new_place(auth: Auth) -> None:
    person = await auth.signed_in()
    for _ in range(FREE_TRIES + 1):
        last = await attempt(auth, person.email, "not the password", **{"X-Forwarded-For": "198.51.100.66"})
    assert last == (429, "too-many-requests")
    assert (await auth.sign_in(person, **{"X-Forwarded-For": "198.51.100.67"})).status_code == 201


async def test_many_strangers_together_are_slowed_down_too(auth: Auth) -> None:
    person = await auth.registered()
    settings = auth.service.settings.model_copy(update={"sign_in_free_strangers": 7})
    work = UnitOfWork(auth.mongo, Outbox(auth.mongo, "auth"), Tombstones(auth.mongo))
    gates = Gates(settings, auth.store, Pacing(auth.mongo, work, settings.pseudonym_key))
    user_id = await auth.user_id(person)
    for i in range(7):
        await gates.sign_in(user_id, person.email, f"198.51.100.{i}")
    with pytest.raises(TooMany):
        await gates.sign_in(user_id, person.email, "198.51.100.200")


async def test_a_known_network_of_ipv6_is_its_first_half(auth: Auth) -> None:
    person = await auth.verified()
    assert (await auth.sign_in(person, **{"X-Forwarded-For": "2001:db8:1:2::7"})).status_code == 201
    near = {"X-Forwarded-For": "2001:db8:1:2:ffff::1"}
    for host in range(FREE_TRIES + 1):
        stranger = {"X-Forwarded-For": f"2001:db8:1:3::{host + 1:x}"}
        last = await attempt(auth, person.email, "not the password", **stranger)
    assert last == (429, "too-many-requests")
    assert (await auth.sign_in(person, **near)).status_code == 201


@pytest.mark.parametrize("close", [False, True])
async def test_the_counters_do_not_link_an_address_to_a_username(auth: Auth, close: bool) -> None:
    person = await auth.signed_in()
    if close:
        await auth.delete("/me", person, {"password": person.password, "now": True})
    for _ in range(FREE_TRIES + 1):
        last = await attempt(auth, person.email, "not the password", **{"X-Forwarded-For": "198.51.100.68"})
    assert last[0] == 429
    by_name = await attempt(auth, person.username, "not the password", **{"X-Forwarded-For": "198.51.100.68"})
    assert by_name == (401, "wrong-credentials")


async def test_a_hash_of_other_parameters_is_renewed(auth: Auth) -> None:
    person = await auth.verified()
    weak = PasswordHasher(memory_cost=8 * 1024, time_cost=1, parallelism=1).hash(person.password)
    await auth.mongo.collection("users").update_one(
        {"email_key": auth.look_ups.email(person.email)}, {"$set": {"password_hash": weak}}
    )
    assert (await auth.sign_in(person)).status_code == 201
    (user,) = await auth.rows("users", email=person.email)
    assert user["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_password_matches_whatever_way_it_was_typed(auth: Auth) -> None:
    person = Person(**(vars(somebody()) | {"password": "Caf\u00e9-Ångström-lantern", "tokens": {}}))
    await auth.post("/users", form(person))
    token = await auth.verification_token(person.email)
    await auth.post("/users/verify", {"token": token})
    decomposed = "Cafe\u0301-A\u030angstro\u0308m-lantern"
    assert (await attempt(auth, person.email, decomposed))[0] == 201
