"""The profile and the password."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from libs.common.events.auth import SessionRevokedV1
from services.auth.models import Session
from tests.auth.events import events_of
from tests.auth.people import API, Auth, Person, problem, somebody

NEW_PASSWORD = "another-Harbour-77"


async def test_a_person_sees_their_profile(auth: Auth) -> None:
    person = await auth.signed_in(language="de", theme="dark")
    profile = (await auth.get("/me", person)).json()
    assert profile["id"] == str(await auth.user_id(person))
    assert profile["verified_at"] is not None
    assert profile | {"email": person.email, "username": person.username, "language": "de"} == profile
    assert profile | {"theme": "dark", "preferences": {}} == profile
    assert "password" not in str(profile)


async def test_what_is_left_out_of_a_change_stays(auth: Auth) -> None:
    person = await auth.signed_in()
    changed = (await auth.patch("/me", {"language": "ru", "theme": "light"}, person)).json()
    assert (changed["language"], changed["theme"], changed["username"]) == ("ru", "light", person.username)
    changed = (await auth.patch("/me", {"theme": "dark"}, person)).json()
    assert (changed["language"], changed["theme"]) == ("ru", "dark")
    assert (await auth.get("/me", person)).json() == changed


async def test_preferences_are_merged_and_null_removes_one(auth: Auth) -> None:
    person = await auth.signed_in()
    await auth.patch("/me", {"preferences": {"grid_size": 3, "blur": True, "style": "ink"}}, person)
    changed = (await auth.patch("/me", {"preferences": {"grid_size": 4, "blur": None}}, person)).json()
    assert changed["preferences"] == {"grid_size": 4, "style": "ink"}


async def test_preferences_have_a_limit(auth: Auth) -> None:
    person = await auth.signed_in()
    await auth.patch("/me", {"preferences": {f"p{i}": i for i in range(50)}}, person)
    answer = await auth.patch("/me", {"preferences": {"one_more": 1}}, person)
    assert problem(answer, 422) == "too-many-preferences"


@pytest.mark.parametrize(
    "body",
    [
        {"preferences": {"$where": 1}},
        {"preferences": {"a.b": 1}},
        {"preferences": {"a": "x" * 201}},
        {"preferences": {"a": {"b": 1}}},
        {"preferences": {"a": 2**63}},
        {"preferences": {"a": -(2**63) - 1}},
        {"preferences": {"a": 10**400}},
        {"email": "other@example.com"},
        {"language": "xx"},
    ],
)
async def test_a_change_that_cannot_be_used_is_refused(auth: Auth, body: dict[str, Any]) -> None:
    assert problem(await auth.patch("/me", body, await auth.signed_in()), 422) == "invalid"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_number_that_is_none_is_refused(auth: Auth, number: str) -> None:
    person = await auth.signed_in()
    answer = await auth.client.patch(
        f"{API}/me",
        content=f'{{"preferences": {{"a": {number}}}}}',
        headers=person.headers | {"Content-Type": "application/json"},
    )
    assert problem(answer, 422) == "invalid"


async def test_the_largest_numbers_come_back_as_they_are(auth: Auth) -> None:
    numbers = {"most": 2**63 - 1, "least": 1 - 2**63, "part": 0.5}
    assert (await auth.patch("/me", {"preferences": numbers}, await auth.signed_in())).json()[
        "preferences"
    ] == numbers


async def test_a_new_username_replaces_the_old_one_which_is_free_again(auth: Auth) -> None:
    person, wanted = await auth.signed_in(), somebody().username
    assert (await auth.patch("/me", {"username": wanted.upper()}, person)).json()[
        "username"
    ] == wanted.upper()
    answer = await auth.post("/sessions", {"login": wanted, "password": person.password})
    assert answer.status_code == 201
    other = await auth.signed_in()
    assert (await auth.patch("/me", {"username": person.username}, other)).status_code == 200


async def test_a_taken_username_is_refused_and_the_case_of_ones_own_can_change(auth: Auth) -> None:
    person, other = await auth.signed_in(), await auth.signed_in()
    answer = await auth.patch("/me", {"username": other.username.title()}, person)
    assert problem(answer, 409) == "username-taken"
    changed = await auth.patch("/me", {"username": person.username.upper()}, person)
    assert changed.json()["username"] == person.username.upper()


async def test_one_username_wanted_by_many_at_once_goes_to_one(auth: Auth) -> None:
    people, wanted = [await auth.signed_in() for _ in range(4)], somebody().username
    answers = await asyncio.gather(*(auth.patch("/me", {"username": wanted}, person) for person in people))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_a_new_password_ends_every_other_session_and_is_announced(auth: Auth) -> None:
    person = await auth.signed_in(language="de")
    other = Person(person.email, person.username)
    await auth.sign_in(other)
    body = {"current_password": person.password, "new_password": NEW_PASSWORD}
    assert (await auth.post("/me/password", body, person)).status_code == 204
    assert (await auth.get("/me", person)).status_code == 200
    refused = await auth.post("/sessions/refresh", {"refresh_token": other.tokens["refresh_token"]})
    assert problem(refused, 401) == "refresh-invalid"
    (event,) = await events_of(auth, SessionRevokedV1, other.session_id)
    assert event.reason == "password-changed"
    assert problem(await auth.sign_in(person), 401) == "wrong-credentials"
    person.password = NEW_PASSWORD
    assert (await auth.sign_in(person)).status_code == 201
    assert (await auth.mails(person.email, 2))[-1].subject == "Pixera: Dein Passwort wurde geändert"


async def test_a_new_password_ends_more_sessions_than_are_read_at_once(auth: Auth) -> None:
    person = await auth.signed_in()
    (row,) = await auth.rows("sessions", _id=person.session_id)
    sessions = auth.mongo.collection(Session)
    await sessions.insert_many([row | {"_id": uuid4()} for _ in range(1_001)])
    body = {"current_password": person.password, "new_password": NEW_PASSWORD}
    assert (await auth.post("/me/password", body, person)).status_code == 204
    live = await auth.rows("sessions", user_id=row["user_id"], ended_at=None)
    assert [each["_id"] for each in live] == [person.session_id]


async def test_a_password_is_changed_by_who_knows_it_and_to_a_good_one(auth: Auth) -> None:
    person = await auth.signed_in()
    wrong = {"current_password": "not the password", "new_password": NEW_PASSWORD}
    assert problem(await auth.post("/me/password", wrong, person), 403) == "wrong-password"
    weak = {"current_password": person.password, "new_password": "password1234"}
    assert problem(await auth.post("/me/password", weak, person), 422) == "weak-password"
    assert (await auth.sign_in(person)).status_code == 201


async def test_guessing_the_password_with_a_stolen_session_is_slowed_down(auth: Auth) -> None:
    person = await auth.signed_in()
    for _ in range(5):
        answer = await auth.delete("/me", person, {"password": "not the password"})
        assert problem(answer, 403) == "wrong-password"
    assert (
        problem(await auth.delete("/me", person, {"password": person.password, "now": True}), 429)
        == "too-many-requests"
    )
