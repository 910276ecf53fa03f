"""Deleting an account: it is closed at once, and the erasure is asked for."""

import asyncio
from uuid import UUID

from libs.common import case_token
from libs.common.events.auth import SessionRevokedV1, UserDeletedV1
from tests.auth.events import events_of
from tests.auth.people import Auth, Person, form, problem


async def test_deletion_announces_the_case_and_gives_a_token_for_it(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id = await auth.user_id(person)
    answer = await auth.delete("/me", person, {"password": person.password})
    assert answer.status_code == 202
    body = answer.json()
    case_id = UUID(body["case_id"])
    settings = auth.service.settings
    assert case_token.verify(settings.case_token_key, body["case_token"]) == case_id
    assert body["status_url"] == f"{settings.public_url}/api/privacy/v1/cases/{case_id}"
    (event,) = await events_of(auth, UserDeletedV1, user_id)
    assert (event.user_id, event.case_id) == (user_id, case_id)


async def test_a_closed_account_has_no_session_and_no_way_in(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id = await auth.user_id(person)
    other = Person(person.email, person.username)
    await auth.sign_in(other)
    await auth.delete("/me", person, {"password": person.password})
    for each in (person, other):
        answer = await auth.post("/sessions/refresh", {"refresh_token": each.tokens["refresh_token"]})
        assert problem(answer, 401) == "refresh-invalid"
        assert problem(await auth.get("/me", each), 401) == "unauthenticated"
    for login in (person.email, person.username):
        answer = await auth.post("/sessions", {"login": login, "password": person.password})
        assert problem(answer, 401) == "wrong-credentials"
    (user,) = await auth.rows("users", _id=user_id)
    assert user["status"] == "deleted"
    for session in await auth.rows("sessions", user_id=user_id):
        assert session["ended_reason"] == "account-deleted"
        assert await events_of(auth, SessionRevokedV1, session["_id"])


async def test_deletion_asks_for_the_password(auth: Auth) -> None:
    person = await auth.signed_in()
    answer = await auth.delete("/me", person, {"password": "not the password"})
    assert problem(answer, 403) == "wrong-password"
    assert problem(await auth.delete("/me", person, {}), 422) == "invalid"
    assert (await auth.get("/me", person)).status_code == 200


async def test_an_account_deleted_many_times_at_once_has_one_case(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id = await auth.user_id(person)
    answers = await asyncio.gather(
        *(auth.delete("/me", person, {"password": person.password}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [202, 401, 401, 401]
    assert len(await events_of(auth, UserDeletedV1, user_id)) == 1


async def test_a_sign_in_at_the_moment_of_deletion_leaves_no_session(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id = await auth.user_id(person)
    others = [Person(person.email, person.username) for _ in range(4)]
    await asyncio.gather(
        auth.delete("/me", person, {"password": person.password}),
        *(auth.sign_in(other) for other in others),
    )
    assert await auth.rows("sessions", user_id=user_id, ended_at=None) == []


async def test_the_person_may_come_back_as_somebody_new(auth: Auth) -> None:
    person = await auth.signed_in()
    old_id = await auth.user_id(person)
    await auth.delete("/me", person, {"password": person.password})
    assert (await auth.post("/users", form(person))).status_code == 202
    assert await auth.user_id(person) != old_id
