"""Proving that an address is one's own."""

import asyncio
from datetime import timedelta

import pytest

from libs.common.clock import now
from services.auth.rows import users
from tests.auth.people import Auth, Person, form, problem, somebody


async def test_the_mail_holds_a_link_and_the_token_on_its_own_line(auth: Auth) -> None:
    person = await auth.registered()
    (mail,) = await auth.mails(person.email)
    token = await auth.verification_token(person.email)
    public_url = auth.service.settings.public_url
    assert {f"{public_url}/verify#{token}", token} <= set(mail.text.splitlines())
    assert f'<a href="{public_url}/verify#{token}">' in mail.html
    (row,) = await auth.rows("verification_tokens", user_id=await auth.user_id(person))
    assert token not in str(row)


async def test_a_token_verifies_once(auth: Auth) -> None:
    person = await auth.registered()
    token = await auth.verification_token(person.email)
    answer = await auth.post("/users/verify", {"token": token})
    assert (answer.status_code, answer.json()) == (200, {"status": "verified"})
    (user,) = await auth.rows("users", email=person.email)
    assert user["status"] == "active"
    assert user["verified_at"] is not None
    assert problem(await auth.post("/users/verify", {"token": token}), 422) == "verification-invalid"


async def test_a_token_used_many_times_at_once_verifies_once(auth: Auth) -> None:
    person = await auth.registered()
    token = await auth.verification_token(person.email)
    answers = await asyncio.gather(*(auth.post("/users/verify", {"token": token}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 5


@pytest.mark.parametrize("token", ["A" * 43, "x"])
async def test_an_unknown_token_is_refused(auth: Auth, token: str) -> None:
    assert problem(await auth.post("/users/verify", {"token": token}), 422) == "verification-invalid"


async def test_an_expired_token_is_refused(auth: Auth) -> None:
    person = await auth.registered()
    token = await auth.verification_token(person.email)
    past = {"$set": {"expires_at": now() - timedelta(seconds=1)}}
    tokens = auth.mongo.collection("verification_tokens")
    assert await tokens.update_many({"user_id": await auth.user_id(person)}, past) == 1
    assert problem(await auth.post("/users/verify", {"token": token}), 422) == "verification-invalid"


async def test_another_mail_can_be_asked_for_and_both_tokens_work(auth: Auth) -> None:
    person = await auth.registered()
    first = await auth.verification_token(person.email)
    assert (await auth.post("/users/verify/resend", {"email": person.email})).status_code == 202
    assert await auth.verification_token(person.email, 2) != first
    assert (await auth.post("/users/verify", {"token": first})).status_code == 200


async def test_asking_again_answers_alike_for_known_unknown_and_verified(auth: Auth) -> None:
    verified, pending = await auth.verified(), await auth.registered()
    answers = [
        await auth.post("/users/verify/resend", {"email": email})
        for email in (somebody().email, verified.email, pending.email)
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (202, '{"status":"check-your-mail"}')
    }
    await auth.mails(pending.email, 2)
    assert len(await auth.mails(verified.email)) == 1


async def test_registering_first_with_anothers_address_gains_nothing(auth: Auth) -> None:
    thief = await auth.registered()
    early = await auth.verification_token(thief.email)
    owner = somebody()
    owner.email = thief.email
    assert (await auth.post("/users", form(owner, password="the-Owners-own-words"))).status_code == 202
    late = await auth.verification_token(owner.email, 2)
    assert (await auth.post("/users/verify", {"token": late})).status_code == 200
    assert problem(await auth.post("/users/verify", {"token": early}), 422) == "verification-invalid"
    assert problem(await auth.sign_in(thief), 401) == "wrong-credentials"
    owner.password = "the-Owners-own-words"
    assert (await auth.sign_in(owner)).status_code == 201
    (user,) = await auth.rows("users", email=owner.email)
    assert user["username"] == owner.username


async def test_registering_after_the_owner_gains_nothing(auth: Auth) -> None:
    owner = await auth.registered(language="de")
    expected = await auth.verification_token(owner.email)
    thief = Person(owner.email, somebody().username, "a-Thiefs-own-words")
    assert (await auth.post("/users", form(thief))).status_code == 202
    late = await auth.verification_token(owner.email, 2)
    assert (await auth.post("/users/verify", {"token": expected})).status_code == 200
    assert problem(await auth.post("/users/verify", {"token": late}), 422) == "verification-invalid"
    assert problem(await auth.sign_in(thief), 401) == "wrong-credentials"
    assert (await auth.sign_in(owner)).status_code == 201
    profile = (await auth.get("/me", owner)).json()
    assert (profile["username"], profile["language"]) == (owner.username, "de")
    assert await auth.rows("registrations", user_id=await auth.user_id(owner)) == []


async def test_a_strangers_registration_is_not_mailed_again_for_the_owner(auth: Auth) -> None:
    owner = await auth.registered()
    await auth.post("/users", form(somebody(), email=owner.email))
    await auth.mails(owner.email, 2)
    assert (await auth.post("/users/verify/resend", {"email": owner.email})).status_code == 202
    await asyncio.sleep(1)
    assert len(await auth.mails(owner.email)) == 2


async def test_what_was_typed_is_not_in_the_mail(auth: Auth) -> None:
    person = await auth.registered()
    (mail,) = await auth.mails(person.email)
    assert person.username not in mail.subject + mail.text.replace(person.email, "") + mail.html


async def test_registering_again_with_the_same_name_before_verifying_is_possible(auth: Auth) -> None:
    person = await auth.registered()
    assert (await auth.post("/users", form(person))).status_code == 202
    await auth.mails(person.email, 2)


async def test_accounts_that_are_never_verified_are_deleted_in_time(auth: Auth) -> None:
    old, young, verified = await auth.registered(), await auth.registered(), await auth.verified()
    long_ago = now() - auth.service.settings.unverified_lifetime - timedelta(minutes=1)
    for person in (old, verified):
        await auth.mongo.collection("users").update_one(
            {"email_key": auth.look_ups.email(person.email)}, {"$set": {"created_at": long_ago}}
        )
    assert await auth.service.leaving.close_unverified() == 1
    assert await auth.rows("users", email=old.email) == []
    for person in (young, verified):
        assert len(await auth.rows("users", email=person.email)) == 1
    assert (await auth.post("/users", form(old))).status_code == 202, "name and address are free again"


async def test_an_unverified_account_that_cannot_be_closed_holds_up_no_other(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be said of what became of the first: its case is none. A page holds one."""
    monkeypatch.setattr(users, "MOST_AT_ONCE", 1)
    rows = auth.mongo.collection("users")
    stuck, *others = sorted([await auth.user_id(await auth.registered()) for _ in range(3)])
    long_ago = now() - auth.service.settings.unverified_lifetime - timedelta(minutes=1)
    await rows.update_many({"_id": {"$in": [stuck, *others]}}, {"$set": {"created_at": long_ago}})
    await rows.update_one({"_id": stuck}, {"$set": {"case_id": "no case"}})
    assert await auth.service.leaving.close_unverified() == 2
    assert [row["_id"] for row in await auth.rows("users", status="unverified", created_at=long_ago)] == [
        stuck
    ]
    await rows.update_one({"_id": stuck}, {"$set": {"case_id": None}})
    assert await auth.service.leaving.close_unverified() == 1, "it is left for the next time"
