"""What people decide about: as easily taken back as given, followed at once, and kept as evidence."""

import asyncio
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.events.auth import (
    ConsentChangedV1,
    UserHiddenV1,
    UserRestrictedV1,
    UserUnrestrictedV1,
)
from libs.common.events.privacy import RequestAcceptedV1, RequestFulfilledV1, RequestKind
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.privacy.purposes import DECLARED
from tests.auth.events import events_of
from tests.auth.people import API, Auth, Person, problem

PHONE = "Ada's Phone/9.1"


async def decide(auth: Auth, person: Person, purpose: str, state: str) -> httpx.Response:
    return await auth.client.put(
        f"{API}/me/consents/{purpose}", json={"state": state}, headers=person.headers
    )


async def board(auth: Auth, person: Person) -> dict[str, tuple[Any, bool]]:
    answer = (await auth.get("/me/consents", person)).json()
    return {each["purpose"]: (each["state"], each["allowed"]) for each in answer["consents"]}


async def device(auth: Auth, person: Person) -> str | None:
    (session,) = [each for each in (await auth.get("/sessions", person)).json()["items"] if each["current"]]
    agent = session["user_agent"]
    assert agent is None or isinstance(agent, str)
    return agent


async def test_nothing_is_consented_to_that_nobody_ticked_and_interests_hold_until_objected_to(
    auth: Auth,
) -> None:
    person = await auth.signed_in(consents=[], language="de", theme="dark")
    assert await board(auth, person) == {
        "personalisation": (None, False),
        "session-devices": (None, True),
        "photo-details": (None, True),
    }
    profile = (await auth.get("/me", person)).json()
    assert (profile["language"], profile["theme"]) == ("en", "system")
    assert (await auth.mails(person.email))[0].subject == "Pixera: Bestätige deine E-Mail-Adresse"


async def test_personalisation_stops_with_the_consent_and_starts_again_with_it(auth: Auth) -> None:
    person = await auth.signed_in(language="de", theme="dark")
    await auth.patch("/me", {"preferences": {"grid": 3}}, person)
    profile = (await auth.get("/me", person)).json()
    assert (profile["language"], profile["theme"], profile["preferences"]) == ("de", "dark", {"grid": 3})

    assert (await decide(auth, person, "personalisation", "withdrawn")).status_code == 200
    profile = (await auth.get("/me", person)).json()
    assert (profile["language"], profile["theme"], profile["preferences"]) == ("en", "system", {})
    for taste in ({"language": "ru"}, {"theme": "light"}, {"preferences": {"grid": 4}}):
        refused = await auth.patch("/me", taste, person)
        assert problem(refused, 409) == "consent-needed"
        assert refused.json()["purpose"] == "personalisation"
    renamed = await auth.patch("/me", {"username": f"{person.username}-2"}, person)
    assert renamed.status_code == 200

    assert (await decide(auth, person, "personalisation", "given")).status_code == 200
    assert (await auth.patch("/me", {"theme": "light"}, person)).json()["theme"] == "light"


async def test_devices_are_forgotten_with_an_objection_and_kept_again_without_it(auth: Auth) -> None:
    person = await auth.verified()
    await auth.sign_in(person, **{"user-agent": PHONE})
    assert await device(auth, person) == PHONE

    await decide(auth, person, "session-devices", "objected")
    assert await device(auth, person) is None
    refreshed = await auth.client.post(
        f"{API}/sessions/refresh",
        json={"refresh_token": person.tokens["refresh_token"]},
        headers={"user-agent": PHONE},
    )
    person.tokens = refreshed.json()
    assert await device(auth, person) is None
    await auth.sign_in(person, **{"user-agent": PHONE})
    assert await device(auth, person) is None
    assert not [row for row in await auth.rows("sessions") if row["user_agent"] == PHONE]

    await decide(auth, person, "session-devices", "given")
    await auth.sign_in(person, **{"user-agent": PHONE})
    assert await device(auth, person) == PHONE


async def test_a_decision_is_kept_with_its_version_time_and_source_and_announced_once(auth: Auth) -> None:
    person = await auth.signed_in()
    for state in ("withdrawn", "withdrawn", "given"):
        await decide(auth, person, "personalisation", state)
    history = (await auth.get("/me/consents/history", person)).json()["items"]
    assert [(each["state"], each["source"]) for each in history] == [
        ("given", "account"),
        ("withdrawn", "account"),
        ("given", "registration"),
    ]
    assert {each["policy_version"] for each in history} == {"2026-11-01"}
    user_id = await auth.user_id(person)
    events = await events_of(auth, ConsentChangedV1, user_id)
    assert sorted((event.sequence, event.state.value) for event in events) == [
        (1, "given"),
        (2, "withdrawn"),
        (3, "given"),
    ]
    page = (await auth.client.get(f"{API}/me/consents/history?limit=2", headers=person.headers)).json()
    rest = await auth.get(f"/me/consents/history?after={page['next_cursor']}", person)
    assert [*page["items"], *rest.json()["items"]] == history


async def test_decisions_at_one_moment_have_one_order(auth: Auth) -> None:
    person = await auth.signed_in(consents=[])
    states = ["given", "withdrawn"] * 4
    answers = await asyncio.gather(*(decide(auth, person, "personalisation", state) for state in states))
    assert {answer.status_code for answer in answers} == {200}
    rows = await auth.rows("consent_decisions", user_id=await auth.user_id(person))
    rows.sort(key=lambda row: row["sequence"])
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    taken = [row["state"] for row in rows]
    assert all(one != other for one, other in pairwise(taken))
    assert (await board(auth, person))["personalisation"][0] == taken[-1]


@pytest.mark.parametrize(
    ("purpose", "state", "status", "code"),
    [
        ("personalisation", "objected", 422, "decision-unfit"),
        ("session-devices", "withdrawn", 422, "decision-unfit"),
        ("personalisation", "maybe", 422, "invalid"),
        ("selling-data", "given", 422, "invalid"),
    ],
)
async def test_what_is_no_decision_about_a_purpose_is_refused(
    auth: Auth, purpose: str, state: str, status: int, code: str
) -> None:
    assert problem(await decide(auth, await auth.signed_in(), purpose, state), status) == code


async def test_the_purposes_are_published_with_what_stops_without_them(auth: Auth) -> None:
    answer = await auth.client.get(f"{API}/purposes")
    assert answer.headers["cache-control"] == "public, max-age=300"
    published = {each["purpose"]: each for each in answer.json()["purposes"]}
    assert set(published) == set(ChosenPurpose) == set(DECLARED)
    assert {name: each["refusal"] for name, each in published.items()} == {
        "personalisation": "withdrawn",
        "session-devices": "objected",
        "photo-details": "objected",
    }
    assert all(each["what"] and each["without"] for each in published.values())


async def test_a_decision_after_the_account_is_closed_changes_nothing(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id: UUID = await auth.user_id(person)
    await auth.delete("/me", person, {"password": person.password, "now": True})
    with pytest.raises(Exception, match="closed"):
        await auth.service.consenting.decide(
            user_id, ChosenPurpose.PERSONALISATION, DECLARED[ChosenPurpose.PERSONALISATION].refusal
        )
    assert len(await auth.rows("consent_decisions", user_id=user_id)) == 1
    assert await auth.rows("switchboards", _id=uuid4()) == []


async def fulfilled(auth: Auth, user_id: UUID, kind: RequestKind) -> str:
    """Have a request accepted, as privacy does; return what came of it."""
    accepted = RequestAcceptedV1(user_id=user_id, request_id=uuid4(), kind=kind)
    work = auth.service.consenting._work
    await work.run(lambda: work.outbox.add(accepted))
    (event,) = await events_of(auth, RequestFulfilledV1, accepted.request_id)
    assert (event.user_id, event.kind) == (user_id, kind)
    return event.outcome


async def test_a_request_withdraws_every_consent_or_objects_to_all_that_can_be_objected_to(
    auth: Auth,
) -> None:
    person = await auth.signed_in(theme="dark")
    user_id = await auth.user_id(person)
    assert await fulfilled(auth, user_id, "withdrawal") == "stopped"
    assert await board(auth, person) == {
        "personalisation": ("withdrawn", False),
        "session-devices": (None, True),
        "photo-details": (None, True),
    }
    assert (await auth.get("/me", person)).json()["theme"] == "system"
    assert await fulfilled(auth, user_id, "withdrawal") == "nothing-to-stop"
    assert await fulfilled(auth, user_id, "objection") == "stopped"
    assert [allowed for _, allowed in (await board(auth, person)).values()] == [False] * 3
    assert await device(auth, person) is None
    history = (await auth.get("/me/consents/history", person)).json()["items"]
    assert [each["source"] for each in history] == ["request"] * 3 + ["registration"]

    gone = await auth.signed_in()
    gone_id = await auth.user_id(gone)
    await auth.delete("/me", gone, {"password": gone.password, "now": True})
    assert await fulfilled(auth, gone_id, "objection") == "account-closed"


async def test_a_request_hides_the_account_which_a_sign_in_brings_back(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id = await auth.user_id(person)
    assert await fulfilled(auth, user_id, "erasure") == "erasure-scheduled"
    (hidden,) = await events_of(auth, UserHiddenV1, user_id)
    assert hidden.reason == "by-request"
    assert (await auth.get("/me", person)).status_code in (401, 410)
    assert await fulfilled(auth, user_id, "erasure") == "erasure-scheduled"
    assert len(await events_of(auth, UserHiddenV1, user_id)) == 1
    assert await fulfilled(auth, user_id, "restriction") == "account-closed"
    assert (await auth.sign_in(person)).status_code == 201


async def test_a_restricted_account_keeps_no_new_taste_and_all_that_it_had(auth: Auth) -> None:
    person = await auth.signed_in(theme="dark")
    user_id = await auth.user_id(person)
    assert await fulfilled(auth, user_id, "restriction") == "restricted"
    assert await fulfilled(auth, user_id, "restriction") == "already-restricted"
    assert problem(await auth.patch("/me", {"theme": "light"}, person), 409) == "processing-restricted"
    renamed = await auth.patch("/me", {"username": f"{person.username[:20]}-x"}, person)
    assert renamed.json()["theme"] == "dark"
    assert renamed.json()["restricted_at"]

    for _ in range(2):
        lifted = await auth.delete("/me/restriction", person)
        assert (lifted.status_code, lifted.json()["restricted_at"]) == (200, None)
    (restricted,) = await events_of(auth, UserRestrictedV1, user_id)
    (unrestricted,) = await events_of(auth, UserUnrestrictedV1, user_id)
    assert unrestricted.sequence > restricted.sequence
    assert (await auth.patch("/me", {"theme": "light"}, person)).json()["theme"] == "light"
