"""Proving who asks: a recent sign-in, or a code to the account's address; nothing tells which addresses have one."""

import re
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from libs.common.clock import now
from libs.common.identity_proof import PROOF_TTL_S, ProofInvalid, ProofVerifier
from libs.common.keys import PublishedKeys
from services.auth.proving import MOST_TRIES
from services.auth.tokens import AccessTokens
from tests.auth.people import API, Auth, Person, problem, somebody

CODE = re.compile(r"\d{8}")


def nobodys() -> dict[str, str]:
    """A network of its own for each test: codes are counted by network, too."""
    return {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}


async def ask(auth: Auth, email: str, **headers: str) -> dict[str, Any]:
    answer = await auth.client.post(f"{API}/identity/codes", json={"email": email}, headers=headers)
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def mailed_code(auth: Auth, person: Person, count: int) -> str:
    mail = (await auth.mails(person.email, count))[-1]
    (code,) = filter(CODE.fullmatch, mail.text.splitlines())
    return code


async def prove(auth: Auth, challenge_id: str, code: str) -> Any:
    return await auth.post("/identity/proofs", {"challenge_id": challenge_id, "code": code})


def verifier(auth: Auth) -> ProofVerifier:
    return ProofVerifier(auth.service.settings, PublishedKeys(auth.app.state.settings))


async def test_a_mailed_code_proves_who_asks_once_and_opens_nothing_else(auth: Auth) -> None:
    person = await auth.signed_in()
    told = await ask(auth, person.email.upper(), **nobodys())
    code = await mailed_code(auth, person, 2)
    (row,) = await auth.rows("identity_codes", _id=UUID(told["challenge_id"]))
    assert code not in str(row)
    answer = await prove(auth, told["challenge_id"], code)
    assert (answer.status_code, answer.json()["expires_in"]) == (200, PROOF_TTL_S)
    token = answer.json()["identity_proof"]
    assert await verifier(auth).user_id(token) == await auth.user_id(person)
    assert problem(await prove(auth, told["challenge_id"], code), 422) == "identity-code-invalid"
    assert await auth.rows("identity_codes", _id=UUID(told["challenge_id"])) == []
    as_access = await auth.client.get(f"{API}/me", headers={"Authorization": f"Bearer {token}"})
    assert problem(as_access, 401) == "unauthenticated"
    with pytest.raises(ProofInvalid):
        await verifier(auth).user_id(person.tokens["access_token"])


async def test_after_five_tries_the_right_code_is_wrong_too(auth: Auth) -> None:
    person = await auth.verified()
    challenge_id = (await ask(auth, person.email, **nobodys()))["challenge_id"]
    code = await mailed_code(auth, person, 2)
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    for _ in range(MOST_TRIES):
        assert problem(await prove(auth, challenge_id, wrong), 422) == "identity-code-invalid"
    assert problem(await prove(auth, challenge_id, code), 422) == "identity-code-invalid"


async def test_an_expired_code_is_as_good_as_none(auth: Auth) -> None:
    person = await auth.verified()
    challenge_id = (await ask(auth, person.email, **nobodys()))["challenge_id"]
    code = await mailed_code(auth, person, 2)
    await auth.mongo.collection("identity_codes").update_one(
        {"_id": UUID(challenge_id)}, {"$set": {"expires_at": now()}}
    )
    assert problem(await prove(auth, challenge_id, code), 422) == "identity-code-invalid"


async def test_nobody_learns_whether_an_address_has_an_account(auth: Auth) -> None:
    known, unknown, unverified = await auth.verified(), somebody(), await auth.registered()
    floor_s = auth.service.settings.answer_floor_s
    for person in (known, unknown, unverified):
        begun = time.monotonic()
        told = await ask(auth, person.email, **nobodys())
        assert time.monotonic() - begun >= floor_s
        assert sorted(told) == ["challenge_id", "expires_in", "status"]
        begun = time.monotonic()
        refused = await prove(auth, told["challenge_id"], "not a code")
        assert time.monotonic() - begun >= floor_s
        assert problem(refused, 422) == "identity-code-invalid"
        kept = await auth.rows("identity_codes", _id=UUID(told["challenge_id"]))
        assert len(kept) == (person is known)


@pytest.mark.parametrize("has_account", [True, False])
async def test_asking_again_and_again_is_slowed_down_alike(auth: Auth, has_account: bool) -> None:
    person = await auth.verified() if has_account else somebody()
    for _ in range(4):
        await ask(auth, person.email, **nobodys())
    again = await auth.client.post(f"{API}/identity/codes", json={"email": person.email}, headers=nobodys())
    assert (problem(again, 429), again.headers["retry-after"]) == ("too-many-requests", "60")


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({"typ": "at+jwt"}, {}),
        ({"kid": "unknown"}, {}),
        ({}, {"aud": "pixera-api"}),
        ({}, {"iss": "somebody"}),
        ({}, {"exp": int(time.time()) - 60}),
        ({}, {"exp": int(time.time()) + 10 * PROOF_TTL_S}),
        ({}, {"sub": "nobody"}),
    ],
)
async def test_a_forged_proof_is_refused(auth: Auth, header: dict[str, Any], changes: dict[str, Any]) -> None:
    tokens = AccessTokens(auth.service.settings)
    genuine, _ = tokens.identity_proof(uuid4(), now())
    key = OKPKey.import_key(auth.service.settings.token_signing_key.get_secret_value())
    read = jwt.decode(genuine, key, algorithms=["EdDSA"])
    forged = jwt.encode(read.header | header, read.claims | changes, key, algorithms=["EdDSA"])
    await verifier(auth).user_id(genuine)
    with pytest.raises(ProofInvalid):
        await verifier(auth).user_id(forged)
    with pytest.raises(ProofInvalid):
        await verifier(auth).user_id(genuine[:-4] + "AAAA")


async def test_a_refreshed_token_still_says_when_the_password_was_given(auth: Auth) -> None:
    person = await auth.signed_in()
    signed_in = await auth.app.state.verifier.user(person.tokens["access_token"])
    assert signed_in.signed_in_within(60)
    long_ago = now().replace(year=2025)
    sessions = auth.mongo.collection("sessions")
    await sessions.update_one({"_id": person.session_id}, {"$set": {"created_at": long_ago}})
    answer = await auth.post("/sessions/refresh", {"refresh_token": person.tokens["refresh_token"]})
    refreshed = await auth.app.state.verifier.user(answer.json()["access_token"])
    assert refreshed.signed_in_at.year == 2025
    assert not refreshed.signed_in_within(600)
