"""Deleting an account: hidden with time to come back, or closed at once and its erasure asked for."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from bson import Binary

from libs.common import case_token
from libs.common.clock import now
from libs.common.clock_guard import ClocksApart
from libs.common.events.auth import SessionRevokedV1, UserDeletedV1, UserHiddenV1, UserRestoredV1
from libs.common.testing.serving import published
from libs.common.vault.cipher import CIPHERTEXT, SealBroken
from services.auth.housekeeping import Housekeeping
from services.auth.leaving import Leaving
from services.auth.rows import users
from tests.auth.events import events_of
from tests.auth.people import Auth, Person, form, problem, somebody
from tests.clocks import off_by


async def test_deletion_announces_the_case_and_gives_a_token_for_it(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id = await auth.user_id(person)
    answer = await auth.delete("/me", person, {"password": person.password, "now": True})
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
    await auth.delete("/me", person, {"password": person.password, "now": True})
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
        *(auth.delete("/me", person, {"password": person.password, "now": True}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [202, 401, 401, 401]
    assert len(await events_of(auth, UserDeletedV1, user_id)) == 1


async def test_a_sign_in_at_the_moment_of_deletion_leaves_no_session(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id = await auth.user_id(person)
    others = [Person(person.email, person.username) for _ in range(4)]
    await asyncio.gather(
        auth.delete("/me", person, {"password": person.password, "now": True}),
        *(auth.sign_in(other) for other in others),
    )
    assert await auth.rows("sessions", user_id=user_id, ended_at=None) == []


async def test_the_person_may_come_back_as_somebody_new(auth: Auth) -> None:
    person = await auth.signed_in()
    old_id = await auth.user_id(person)
    await auth.delete("/me", person, {"password": person.password, "now": True})
    assert (await auth.post("/users", form(person))).status_code == 202
    assert await auth.user_id(person) != old_id


async def left(auth: Auth, person: Person) -> tuple[UUID, UUID]:
    """Delete the account with time to come back; return the person's id and the case that it will be."""
    user_id = await auth.user_id(person)
    answer = await auth.delete("/me", person, {"password": person.password})
    assert answer.status_code == 202, answer.text
    return user_id, UUID(answer.json()["case_id"])


async def let_grace_end(auth: Auth, *people: UUID) -> None:
    """Move the end of the time to come back into the past."""
    change = {"$set": {"erased_from": now() - timedelta(seconds=1)}}
    await auth.mongo.collection("users").update_many({"_id": {"$in": list(people)}}, change)


async def test_a_deleted_account_is_hidden_and_signed_out_everywhere_at_once(auth: Auth) -> None:
    person = await auth.signed_in()
    other = Person(person.email, person.username)
    await auth.sign_in(other)
    before = now()
    user_id, case_id = await left(auth, person)
    for each in (person, other):
        assert (await auth.get("/me", each)).status_code in (401, 410)
        answer = await auth.post("/sessions/refresh", {"refresh_token": each.tokens["refresh_token"]})
        assert problem(answer, 401) == "refresh-invalid"
    (hidden,) = await events_of(auth, UserHiddenV1, user_id)
    grace = timedelta(days=auth.service.settings.deletion_grace_days)
    assert before + grace <= hidden.erased_from <= now() + grace
    assert await published(auth.service.settings.kafka_bootstrap, UserDeletedV1, user_id) == []
    (row,) = await auth.rows("users", _id=user_id)
    assert (row["status"], row["case_id"]) == ("hidden", case_id)
    mail = (await auth.mails(person.email, 2))[-1]
    assert f"{hidden.erased_from:%Y-%m-%d %H:%M} UTC" in mail.text


async def test_a_minor_who_left_with_time_to_come_back_is_closed_and_refused_all_the_same(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id, case_id = await left(auth, person)
    await auth.service.consenting._work.run(lambda: auth.service.leaving.close_minor(user_id))
    (deleted,) = await events_of(auth, UserDeletedV1, user_id)
    assert deleted.case_id == case_id, "the case that the person was told of"
    assert problem(await auth.sign_in(person), 401) == "wrong-credentials"
    assert (await auth.post("/users", form(somebody(), email=person.email))).status_code == 202
    assert await auth.rows("users", email=person.email) == []
    assert len(await auth.rows("refused_addresses", _id=auth.look_ups.refused(person.email))) == 1


async def test_who_signs_in_before_the_erasure_is_back_with_everything_as_it_was(auth: Auth) -> None:
    person = await auth.signed_in()
    await auth.patch("/me", {"theme": "dark", "preferences": {"grid": 3}}, person)
    before = (await auth.get("/me", person)).json()
    user_id, _ = await left(auth, person)
    wrong = await auth.post("/sessions", {"login": person.email, "password": "not the password"})
    assert problem(wrong, 401) == "wrong-credentials"

    assert (await auth.sign_in(person)).status_code == 201
    assert (await auth.get("/me", person)).json() == before
    (restored,) = await events_of(auth, UserRestoredV1, user_id)
    (hidden,) = await events_of(auth, UserHiddenV1, user_id)
    assert restored.sequence > hidden.sequence
    await auth.mails(person.email, 3)
    await let_grace_end(auth, user_id)
    assert await auth.service.leaving.close_due() == 0, "who is back is not closed"


async def test_when_the_time_has_ended_each_account_is_closed_once_whoever_sweeps(auth: Auth) -> None:
    people = [await auth.signed_in() for _ in range(3)]
    gone = [await left(auth, person) for person in people[:2]]
    still, _ = await left(auth, people[2])
    await let_grace_end(auth, *(user_id for user_id, _ in gone))
    closed = await asyncio.gather(*(auth.service.leaving.close_due() for _ in range(3)))
    assert sum(closed) == 2
    for user_id, case_id in gone:
        (event,) = await events_of(auth, UserDeletedV1, user_id)
        assert event.case_id == case_id, "the person has the token of this one"
    assert problem(await auth.sign_in(people[0]), 401) == "wrong-credentials"
    assert [row["status"] for row in await auth.rows("users", _id=still)] == ["hidden"]


async def test_no_account_is_closed_early_by_a_clock_that_is_ahead(auth: Auth) -> None:
    user_id, _ = await left(auth, await auth.signed_in())
    unproven = somebody()
    assert (await auth.post("/users", form(unproven))).status_code == 202
    with off_by(timedelta(days=366)):
        for closes in (auth.service.leaving.close_due, auth.service.leaving.close_unverified):
            with pytest.raises(ClocksApart):
                await closes()
    people = [user_id, await auth.user_id(unproven)]
    assert [row["status"] for each in people for row in await auth.rows("users", _id=each)] == [
        "hidden",
        "unverified",
    ]


async def test_an_account_that_cannot_be_closed_holds_up_no_other(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be said of what became of the first: its case is none. A page holds one; two ended at once."""
    monkeypatch.setattr(users, "MOST_AT_ONCE", 1)
    rows = auth.mongo.collection("users")
    gone = sorted([await left(auth, await auth.signed_in()) for _ in range(3)])
    (stuck, case_id), (second, _), (third, _) = gone
    await let_grace_end(auth, stuck, second)
    await let_grace_end(auth, third)
    await rows.update_one({"_id": stuck}, {"$set": {"case_id": "no case"}})
    assert await auth.service.leaving.close_due() == 2
    states = [row["status"] for user_id, _ in gone for row in await auth.rows("users", _id=user_id)]
    assert states == ["hidden", "deleted", "deleted"]
    await rows.update_one({"_id": stuck}, {"$set": {"case_id": case_id}})
    assert await auth.service.leaving.close_due() == 1, "it is left for the next time"


async def test_an_account_that_nobody_can_open_is_closed_like_any_other(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id, case_id = await left(auth, person)
    await auth.mails(person.email, 2)
    await let_grace_end(auth, user_id)
    rows = auth.mongo.collection("users")
    sealed = (await rows.find_one({"_id": user_id}) or {})["email"]
    broken = Binary(sealed[:-1] + bytes([sealed[-1] ^ 1]), CIPHERTEXT)
    await rows.update_one({"_id": user_id}, {"$set": {"email": broken}})
    with pytest.raises(SealBroken):
        await auth.rows("users", _id=user_id)
    assert await auth.service.leaving.close_due() == 1
    (event,) = await events_of(auth, UserDeletedV1, user_id)
    assert event.case_id == case_id


async def test_who_was_told_a_date_waits_for_none_who_never_verified(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, case_id = await left(auth, await auth.signed_in())
    await let_grace_end(auth, user_id)

    async def no_end(_: Leaving) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(Leaving, "close_unverified", no_end)
    keeping = asyncio.create_task(Housekeeping(auth.service.leaving).run())
    (event,) = await events_of(auth, UserDeletedV1, user_id)
    keeping.cancel()
    assert event.case_id == case_id


async def test_a_return_at_the_moment_of_the_closing_is_one_of_the_two(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id, _ = await left(auth, person)
    await let_grace_end(auth, user_id)
    answer, closed = await asyncio.gather(auth.sign_in(person), auth.service.leaving.close_due())
    (row,) = await auth.rows("users", _id=user_id)
    assert (answer.status_code, closed, row["status"]) in [(201, 0, "active"), (401, 1, "deleted")]
    live = await auth.rows("sessions", user_id=user_id, ended_at=None)
    assert len(live) == (row["status"] == "active")


async def test_the_answer_says_until_when_one_can_come_back(auth: Auth) -> None:
    person = await auth.signed_in()
    answer = await auth.delete("/me", person, {"password": person.password, "now": True})
    assert datetime.fromisoformat(answer.json()["erased_from"]) <= now()
