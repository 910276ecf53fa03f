"""The list of a person's sessions, and ending them."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from libs.common.events.auth import SessionRevokedV1
from services.auth.session_models import Session
from tests.auth.events import events_of
from tests.auth.people import API, Auth, Person, problem


async def also_signed_in(auth: Auth, person: Person, **headers: str) -> Person:
    other = Person(person.email, person.username)
    assert (await auth.sign_in(other, **headers)).status_code == 201
    return other


async def test_a_person_sees_their_own_sessions_only(auth: Auth) -> None:
    person, _ = await auth.signed_in(), await auth.signed_in()
    phone = await also_signed_in(auth, person, **{"User-Agent": "Phone/1", "X-Forwarded-For": "198.51.100.4"})
    listed = (await auth.get("/sessions", person)).json()
    assert listed["next_cursor"] is None
    assert [(item["id"], item["current"]) for item in listed["items"]] == [
        (str(phone.session_id), False),
        (str(person.session_id), True),
    ]
    assert (listed["items"][0]["ip"], listed["items"][0]["user_agent"]) == ("198.51.100.4", "Phone/1")


async def test_the_list_comes_in_pages(auth: Auth) -> None:
    person = await auth.signed_in()
    others = [await also_signed_in(auth, person) for _ in range(2)]
    expected = {str(each.session_id) for each in (person, *others)}
    first = (await auth.get("/sessions?limit=2", person)).json()
    second = (await auth.get(f"/sessions?limit=2&cursor={first['next_cursor']}", person)).json()
    assert second["next_cursor"] is None
    assert {item["id"] for item in first["items"] + second["items"]} == expected


async def test_beyond_a_number_of_sessions_the_oldest_ends(auth: Auth) -> None:
    oldest = await auth.signed_in()
    (row,) = await auth.rows("sessions", _id=oldest.session_id)
    most = auth.service.settings.sessions_at_once
    later = row["created_at"] + timedelta(milliseconds=1)
    others = [row | {"_id": uuid4(), "created_at": later} for _ in range(most - 1)]
    await auth.mongo.collection(Session).insert_many(others)
    latest = await also_signed_in(auth, oldest)
    live = await auth.rows("sessions", user_id=row["user_id"], ended_at=None)
    assert {each["_id"] for each in live} == {latest.session_id, *(each["_id"] for each in others)}
    (event,) = await events_of(auth, SessionRevokedV1, oldest.session_id)
    assert event.reason == "too-many-sessions"


async def test_signing_out_ends_this_session(auth: Auth) -> None:
    person = await auth.signed_in()
    other = await also_signed_in(auth, person)
    assert (await auth.delete("/sessions/current", person)).status_code == 204
    refused = await auth.post("/sessions/refresh", {"refresh_token": person.tokens["refresh_token"]})
    assert problem(refused, 401) == "refresh-invalid"
    assert (await auth.get("/me", other)).status_code == 200
    (event,) = await events_of(auth, SessionRevokedV1, person.session_id)
    assert event.reason == "signed-out"


async def test_the_access_token_of_an_ended_session_is_soon_refused(auth: Auth) -> None:
    person = await auth.signed_in()
    await auth.delete("/sessions/current", person)
    for _ in range(100):
        answer = await auth.get("/me", person)
        if answer.status_code == 401:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("still accepted after five seconds")


async def test_another_session_of_ones_own_can_be_ended(auth: Auth) -> None:
    person = await auth.signed_in()
    lost = await also_signed_in(auth, person)
    assert (await auth.delete(f"/sessions/{lost.session_id}", person)).status_code == 204
    assert problem(await auth.delete(f"/sessions/{lost.session_id}", person), 404) == "session-not-found"
    listed = (await auth.get("/sessions", person)).json()["items"]
    assert [item["id"] for item in listed] == [str(person.session_id)]


async def test_a_session_of_somebody_else_cannot_be_ended(auth: Auth) -> None:
    person, stranger = await auth.signed_in(), await auth.signed_in()
    for session_id in (person.session_id, uuid4()):
        assert problem(await auth.delete(f"/sessions/{session_id}", stranger), 404) == "session-not-found"
    assert (await auth.get("/me", person)).status_code == 200


async def test_every_route_of_a_signed_in_person_needs_the_token(auth: Auth) -> None:
    calls = [("GET", "/sessions"), ("DELETE", "/sessions/current"), ("DELETE", f"/sessions/{uuid4()}")]
    calls += [("GET", "/me"), ("PATCH", "/me"), ("POST", "/me/password"), ("DELETE", "/me")]
    calls += [
        ("PUT", "/me/restriction"),
        ("DELETE", "/me/restriction"),
        ("POST", "/me/email"),
        ("POST", "/me/email/verify"),
    ]
    for method, path in calls:
        answer = await auth.client.request(method, API + path, json={})
        assert problem(answer, 401) == "unauthenticated", (method, path)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
