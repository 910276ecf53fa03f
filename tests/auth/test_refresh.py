"""Refresh tokens: each works once, and a second use ends the session."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from libs.common.clock import now
from libs.common.events.auth import SessionRevokedV1
from tests.auth.events import events_of
from tests.auth.people import Auth, Person, problem


async def refresh(auth: Auth, token: str) -> httpx.Response:
    return await auth.post("/sessions/refresh", {"refresh_token": token})


async def test_a_refresh_gives_new_tokens_of_the_same_session(auth: Auth) -> None:
    person = await auth.signed_in()
    answer = await refresh(auth, person.tokens["refresh_token"])
    assert answer.status_code == 200
    body = answer.json()
    assert body["session_id"] == person.tokens["session_id"]
    assert body["refresh_token"] != person.tokens["refresh_token"]
    person.tokens = body
    assert (await auth.get("/me", person)).status_code == 200


async def test_reuse_ends_the_session_for_the_thief_and_for_the_owner(auth: Auth) -> None:
    person = await auth.signed_in()
    stolen = person.tokens["refresh_token"]
    newest = (await refresh(auth, stolen)).json()["refresh_token"]
    assert problem(await refresh(auth, stolen), 401) == "refresh-reused"
    assert problem(await refresh(auth, newest), 401) == "refresh-invalid"
    (session,) = await auth.rows("sessions", _id=person.session_id)
    assert session["ended_reason"] == "refresh-reuse"
    (event,) = await events_of(auth, SessionRevokedV1, person.session_id)
    assert (event.session_id, event.reason) == (person.session_id, "refresh-reuse")


async def test_reuse_of_one_family_leaves_the_others(auth: Auth) -> None:
    person = await auth.signed_in()
    other = Person(person.email, person.username)
    await auth.sign_in(other)
    await refresh(auth, person.tokens["refresh_token"])
    await refresh(auth, person.tokens["refresh_token"])
    assert (await refresh(auth, other.tokens["refresh_token"])).status_code == 200


async def test_two_refreshes_at_once_are_a_reuse(auth: Auth) -> None:
    person = await auth.signed_in()
    token = person.tokens["refresh_token"]
    answers = await asyncio.gather(*(refresh(auth, token) for _ in range(5)))
    assert [answer.status_code for answer in answers].count(200) == 1
    (session,) = await auth.rows("sessions", _id=person.session_id)
    assert session["ended_reason"] == "refresh-reuse"
    assert await auth.rows("refresh_tokens", session_id=person.session_id) == []


@pytest.mark.parametrize("token", ["A" * 43, "x"])
async def test_an_unknown_token_is_refused(auth: Auth, token: str) -> None:
    assert problem(await refresh(auth, token), 401) == "refresh-invalid"


@pytest.mark.parametrize("collection", ["refresh_tokens", "sessions"])
async def test_idle_tokens_and_old_sessions_cannot_be_refreshed(auth: Auth, collection: str) -> None:
    person = await auth.signed_in()
    past = {"$set": {"expires_at": now() - timedelta(seconds=1)}}
    await auth.mongo.collection(collection).update_many({"user_id": await auth.user_id(person)}, past)
    assert problem(await refresh(auth, person.tokens["refresh_token"]), 401) == "refresh-invalid"


async def test_tokens_never_outlive_their_session(auth: Auth) -> None:
    person = await auth.signed_in()
    soon = now() + timedelta(seconds=60)
    await auth.mongo.collection("sessions").update_one(
        {"_id": person.session_id}, {"$set": {"expires_at": soon}}
    )
    body = (await refresh(auth, person.tokens["refresh_token"])).json()
    assert body["expires_in"] <= 60
    (newest,) = await auth.rows("refresh_tokens", session_id=person.session_id, used_at=None)
    assert newest["expires_at"] == soon
