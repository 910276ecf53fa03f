"""The profile and the password."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from libs.common.clock import now
from libs.common.events.auth import SessionRevokedV1
from libs.common.testing.waiting import eventually
from services.auth.session_models import Session
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


async def ask_for(auth: Auth, person: Person, email: str) -> None:
    answer = await auth.post("/me/email", {"password": person.password, "email": email}, person)
    assert (answer.status_code, answer.text) == (202, '{"status":"check-your-mail"}')


async def test_an_address_is_changed_when_it_is_proven_and_the_former_one_is_told(auth: Auth) -> None:
    person, former, new = await auth.signed_in(), somebody(), somebody().email
    former.email = person.email
    wrong = await auth.post("/me/email", {"password": "not the password", "email": new}, person)
    assert problem(wrong, 403) == "wrong-password"
    await ask_for(auth, person, new)
    token = await auth.verification_token(new)
    assert (await auth.get("/me", person)).json()["email"] == former.email, "not before it is proven"
    stranger = await auth.signed_in()
    for who, sent in ((stranger, token), (person, "x" * 43)):
        assert (
            problem(await auth.post("/me/email/verify", {"token": sent}, who), 422) == "verification-invalid"
        )

    assert (await auth.post("/me/email/verify", {"token": token}, person)).json()["email"] == new
    assert (await auth.mails(former.email, 2))[-1].subject == "Pixera: Your e-mail address was changed"
    again = await auth.post("/me/email/verify", {"token": token}, person)
    assert problem(again, 422) == "verification-invalid"
    assert problem(await auth.sign_in(former), 401) == "wrong-credentials"
    person.email = new
    assert (await auth.sign_in(person)).status_code == 201

    async def told() -> bool:
        (row,) = await auth.rows("email_changes", _id=await auth.user_id(person))
        return row["former"] is None

    await eventually(told, within_s=30)


async def test_nobody_learns_by_a_change_whether_an_address_has_an_account(auth: Auth) -> None:
    person, owner = await auth.signed_in(), await auth.verified()
    await ask_for(auth, person, owner.email)
    assert "already have an account" in (await auth.mails(owner.email, 2))[-1].subject
    assert await auth.rows("email_changes", _id=await auth.user_id(person)) == []


async def test_an_address_that_somebody_registered_and_never_verified_can_be_had(auth: Auth) -> None:
    person, squatter = await auth.signed_in(), await auth.registered()
    squatter_id = await auth.user_id(squatter)
    await ask_for(auth, person, squatter.email)
    token = await auth.verification_token(squatter.email, 2)
    moved = await auth.post("/me/email/verify", {"token": token}, person)
    assert moved.json()["email"] == squatter.email
    assert [row["status"] for row in await auth.rows("users", _id=squatter_id)] in ([], ["deleted"])


async def test_a_token_for_an_address_expires_and_the_latest_wish_counts(auth: Auth) -> None:
    person, first, second = await auth.signed_in(), somebody().email, somebody().email
    await ask_for(auth, person, first)
    old = await auth.verification_token(first)
    await ask_for(auth, person, second)
    new = await auth.verification_token(second)
    assert problem(await auth.post("/me/email/verify", {"token": old}, person), 422) == "verification-invalid"
    user_id = await auth.user_id(person)
    rows = auth.mongo.collection("email_changes")
    await rows.update_one({"_id": user_id}, {"$set": {"expires_at": now()}})
    assert problem(await auth.post("/me/email/verify", {"token": new}, person), 422) == "verification-invalid"
    assert (await auth.get("/me", person)).json()["email"] == person.email
