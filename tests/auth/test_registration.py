"""Opening an account, against real Kafka, MongoDB and a mail server."""

import asyncio
import time
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.clock import now
from libs.common.events.auth import UserDeletedV1
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    InventoryCompletedV1,
    InventoryRequestedV1,
    MinorConfirmedV1,
    RequestFulfilledV1,
)
from tests.auth.events import events_of
from tests.auth.people import TERMS, Auth, Person, form, problem, somebody, token_in


async def test_registration_stores_the_person_and_what_was_accepted(auth: Auth) -> None:
    person = await auth.registered(language="de", theme="dark")
    (user,) = await auth.rows("users", email=person.email)
    assert (user["status"], user["language"], user["theme"]) == ("unverified", "de", "dark")
    assert user["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    accepted = await auth.rows("acceptances", user_id=user["_id"])
    assert {(row["document"], row["version"], row["source"]) for row in accepted} == {
        ("terms", TERMS, "registration"),
        ("policy", TERMS, "registration"),
        ("adult", TERMS, "registration"),
    }
    assert all(row["created_at"] == user["created_at"] for row in accepted)


async def test_the_address_is_kept_as_written_and_compared_without_case(auth: Auth) -> None:
    person = somebody()
    mixed = person.email.replace("p", "P", 1).replace("example", "EXAMPLE")
    assert (await auth.post("/users", form(person, email=mixed))).status_code == 202
    (user,) = await auth.rows("users", email=person.email)
    assert user["email"] == mixed.replace("EXAMPLE", "example")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "имя@example.com"}, "email"),
        ({"username": "a"}, "username"),
        ({"username": "two words"}, "username"),
        ({"username": "an@address"}, "username"),
        ({"username": "www.evil.example"}, "username"),
        ({"is_adult": False}, "is_adult"),
        ({"language": "xx"}, "language"),
        ({"admin": True}, "admin"),
    ],
)
async def test_a_form_that_cannot_be_used_is_refused_by_field(
    auth: Auth, changes: dict[str, Any], field: str
) -> None:
    answer = await auth.post("/users", form(somebody(), **changes))
    assert problem(answer, 422) == "invalid"
    assert [error["field"] for error in answer.json()["errors"]] == [f"body.{field}"]
    assert somebody().password not in answer.text


@pytest.mark.parametrize("field", ["accept_terms_version", "accept_policy_version"])
async def test_old_versions_are_refused_with_the_current_ones(auth: Auth, field: str) -> None:
    answer = await auth.post("/users", form(somebody(), **{field: "2020-01-01"}))
    assert problem(answer, 409) == "terms-outdated"
    current = (await auth.client.get("/api/auth/v1/terms")).json()
    assert current == {"terms_version": TERMS, "policy_version": TERMS}
    assert answer.json().items() >= current.items()


@pytest.mark.parametrize(
    ("password", "reason"),
    [("short-one-1", "too-short"), ("x1-" * 50, "too-long"), ("password1234", "guessable")],
)
async def test_weak_passwords_are_refused_with_the_reason(auth: Auth, password: str, reason: str) -> None:
    answer = await auth.post("/users", form(somebody(), password=password))
    assert problem(answer, 422) == "weak-password"
    assert answer.json()["reason"] == reason


async def test_a_password_made_of_the_persons_own_name_is_refused(auth: Auth) -> None:
    person = somebody()
    answer = await auth.post("/users", form(person, password=person.username))
    assert answer.json()["reason"] == "guessable"


async def test_a_username_is_taken_whatever_its_case(auth: Auth) -> None:
    first = await auth.registered()
    answer = await auth.post("/users", form(somebody(), username=first.username.upper()))
    assert problem(answer, 409) == "username-taken"


async def test_a_known_address_gets_the_same_answer_and_a_mail_that_says_so(auth: Auth) -> None:
    known = await auth.verified(language="ru")
    other = somebody()
    answers = [
        await auth.post("/users", form(somebody())),
        await auth.post("/users", form(other, email=known.email.upper())),
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (202, '{"status":"check-your-mail"}')
    }
    assert {tuple(sorted(answer.headers)) for answer in answers} == {tuple(sorted(answers[0].headers))}
    mail = (await auth.mails(known.email, 2))[-1]
    assert mail.subject == "Pixera: У вас уже есть аккаунт"  # noqa: RUF001 - Russian
    assert known.username in mail.text
    (user,) = await auth.rows("users", email=known.email)
    assert user["username"] == known.username


async def test_the_username_asked_for_in_vain_is_held_as_if_it_were_taken(auth: Auth) -> None:
    known, wanted = await auth.verified(), somebody()
    assert (await auth.post("/users", form(wanted, email=known.email))).status_code == 202
    answer = await auth.post("/users", form(somebody(), username=wanted.username))
    assert problem(answer, 409) == "username-taken"
    (claim,) = await auth.rows("usernames", username=wanted.username)
    assert claim["held_until"] is not None


async def test_the_time_does_not_tell_whether_an_address_is_known(auth: Auth) -> None:
    known = [await auth.verified() for _ in range(4)]

    async def seconds(email: str) -> float:
        person = somebody()
        started = time.perf_counter()
        answer = await auth.post("/users", form(person, email=email))
        assert answer.status_code == 202
        return time.perf_counter() - started

    unknown_s, known_s = [], []
    for person in known * 4:
        unknown_s.append(await seconds(somebody().email))
        known_s.append(await seconds(person.email))
        if (apart := abs(min(unknown_s) - min(known_s))) < 0.02:
            break  # the quickest of each: what a busy machine adds is noise, and goes with more of them
    assert min(unknown_s + known_s) >= auth.service.settings.answer_floor_s
    assert apart < 0.02


async def test_two_registrations_of_one_address_at_once_make_one_account(auth: Auth) -> None:
    email = somebody().email
    answers = await asyncio.gather(*(auth.post("/users", form(somebody(), email=email)) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] * 4 + [429] * 4
    (user,) = await auth.rows("users", email=email)
    assert len(await auth.rows("registrations", user_id=user["_id"])) == 4


@pytest.mark.parametrize("kind", ["unknown", "pending", "verified"])
async def test_registrations_of_one_address_are_slowed_down_whatever_it_is(auth: Auth, kind: str) -> None:
    person = await {"unknown": unknown, "pending": auth.registered, "verified": auth.verified}[kind]()
    answers: list[httpx.Response] = []
    while not answers or answers[-1].status_code == 202:
        answers.append(await auth.post("/users", form(somebody(), email=person.email)))
    assert len(answers) == (5 if kind == "unknown" else 4), "its own registration counts"
    assert problem(answers[-1], 429) == "too-many-requests"
    assert answers[-1].headers["Retry-After"] == "60"


async def unknown() -> Person:
    return somebody()


async def test_few_names_are_held_for_one_address(auth: Auth) -> None:
    person = await auth.registered()
    user_id = await auth.user_id(person)
    for _ in range(7):
        await auth.mongo.collection("throttles").delete_many({"user_id": user_id})
        other = somebody()
        assert (await auth.post("/users", form(other, email=person.email))).status_code == 202
    assert len(await auth.rows("usernames", user_id=user_id)) == 5
    assert await auth.rows("usernames", username=other.username) == []
    token = token_in((await auth.mails(person.email, 8))[-1])
    assert (await auth.post("/users/verify", {"token": token})).status_code == 200
    assert len(await auth.rows("usernames", user_id=user_id, firm=True)) == 1


async def test_two_registrations_of_one_username_at_once_make_one_account(auth: Auth) -> None:
    username = somebody().username
    answers = await asyncio.gather(
        *(auth.post("/users", form(somebody(), username=username)) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert len(await auth.rows("users", username=username)) == 1


async def test_many_mails_to_one_address_are_slowed_down(auth: Auth) -> None:
    person = await auth.registered()
    for _ in range(6):
        assert (await auth.post("/users/verify/resend", {"email": person.email})).status_code == 202
    await auth.mails(person.email, 4)
    await asyncio.sleep(1)
    assert len(await auth.mails(person.email)) == 4, "the first, and three that were asked for"


async def stored_with(auth: Auth, *words: str) -> list[str]:
    """The collections in which one of the words is, as it is typed or looked for by."""
    keys = [auth.look_ups.email(words[0]), auth.look_ups.username(words[1]), *words]
    found = []
    for name in await auth.mongo.collection_names():
        rows = [str(row) for row in await auth.mongo.collection(name).find({})]
        found += [name for row in rows if any(key in row for key in keys)]
    return found


async def test_nothing_is_kept_of_who_says_to_be_under_18_or_says_nothing_of_it(auth: Auth) -> None:
    for changes in ({"is_adult": False}, {"is_adult": None}):
        minor = somebody()
        answer = await auth.post("/users", form(minor, **changes))
        assert problem(answer, 422) == "invalid"
        assert minor.email not in answer.text
        assert await stored_with(auth, minor.email, minor.username) == []
    adult = await auth.registered()
    assert "users" in await stored_with(auth, adult.email, adult.username), "it does not see what is there"


async def test_a_minor_is_closed_without_grace_and_the_address_registers_nothing_until_it_may(
    auth: Auth,
) -> None:
    person = await auth.signed_in()
    user_id, work = await auth.user_id(person), auth.service.consenting._work
    confirmed = MinorConfirmedV1(user_id=user_id, request_id=uuid4())
    await work.run(lambda: work.outbox.add(confirmed))
    (fulfilled,) = await events_of(auth, RequestFulfilledV1, confirmed.request_id)
    assert (fulfilled.kind, fulfilled.outcome) == ("erasure", "erasure-begun")
    (deleted,) = await events_of(auth, UserDeletedV1, user_id)
    assert problem(await auth.sign_in(person), 401) == "wrong-credentials"

    again = somebody()
    again.email = person.email
    answer = await auth.post("/users", form(again, email=person.email.upper()))
    assert (answer.status_code, answer.text) == (202, '{"status":"check-your-mail"}'), "nobody can tell"
    assert await auth.rows("users", email=person.email) == []
    taken = await auth.post("/users", form(somebody(), username=again.username))
    assert problem(taken, 409) == "username-taken", "a free name would tell"

    refused = auth.mongo.collection("refused_addresses")
    (row,) = await refused.find({"_id": auth.look_ups.refused(person.email)})
    assert row["retained_until"] - now() > timedelta(days=4 * 365)
    await its_certificate_will_name_it(auth, user_id, deleted.case_id, row["retained_until"].date())
    await refused.update_one({"_id": row["_id"]}, {"$set": {"retained_until": now()}})
    assert (await auth.post("/users", form(somebody(), email=person.email))).status_code == 202
    assert len(await auth.rows("users", email=person.email)) == 1


async def its_certificate_will_name_it(auth: Auth, user_id: UUID, case_id: UUID, until: date) -> None:
    """What auth answers to privacy is what the certificate says, and what it is amended by when it is gone."""
    work = auth.service.consenting._work
    asked = (
        InventoryRequestedV1(user_id=user_id, case_id=case_id),
        ErasureRequestedV1(user_id=user_id, case_id=case_id),
    )
    await work.run(lambda: work.outbox.add(*asked))
    (counted,) = await events_of(auth, InventoryCompletedV1, user_id)
    (erased,) = await events_of(auth, ErasureCompletedV1, user_id)
    name = "auth.refused_addresses"
    assert [each.found for each in counted.holdings if each.holding == name] == [1]
    (kept,) = [each for each in erased.holdings if each.holding == name]
    assert (kept.retained, kept.erased, kept.ground) == (1, 0, "protection-of-minors")
    assert kept.retained_until == until
    assert await auth.rows("users", _id=user_id) == [], "all else is gone"


async def test_a_minor_who_never_verified_an_address_has_none_refused(auth: Auth) -> None:
    person = await auth.registered()
    user_id, work = await auth.user_id(person), auth.service.consenting._work
    for outcome in ("erasure-begun", "account-closed"):
        assert await work.run(lambda: auth.service.leaving.close_minor(user_id)) == outcome
    assert await auth.rows("refused_addresses", _id=auth.look_ups.refused(person.email)) == []
    assert await auth.rows("tombstones", _id=user_id) == [], "nothing is kept that a certificate would name"
