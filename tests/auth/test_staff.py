"""Operators: who gets in, what is recorded of it, and that no person becomes one."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from libs.common.events.auth import SessionRevokedV1
from libs.common.events.privacy import ActionRecordedV1
from libs.common.identity import TokenVerifier
from libs.common.testing.kafka import records_of
from libs.common.testing.tokens import mint
from libs.common.testing.waiting import eventually
from services.auth.errors import WeakPassword
from services.auth.metrics import ARGON2_SECONDS
from services.auth.tokens import AccessTokens
from tests.auth.people import API, PASSWORD, Auth, Person, form, problem, somebody
from tests.auth.test_tokens import signed

NAME = "operator"


def first_password(auth: Auth) -> str:
    password = auth.service.settings.staff_password
    assert password is not None
    return password.get_secret_value()


async def attempt(auth: Auth, name: str, password: str) -> httpx.Response:
    return await auth.client.post(f"{API}/staff/sessions", json={"name": name, "password": password})


async def signed_in(auth: Auth, name: str = NAME, password: str | None = None) -> dict[str, str]:
    """The header of an operator who has just signed in."""
    answer = await attempt(auth, name, password or first_password(auth))
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def added(auth: Auth, headers: dict[str, str]) -> tuple[str, UUID]:
    """Another operator's name and id."""
    name = f"op-{uuid4().hex[:8]}"
    answer = await auth.client.post(
        f"{API}/staff/accounts", json={"name": name, "password": PASSWORD}, headers=headers
    )
    assert answer.status_code == 201, answer.text
    return name, UUID(answer.json()["id"])


async def ask(auth: Auth, headers: dict[str, str], path: str = "/staff/accounts") -> httpx.Response:
    return await auth.client.get(API + path, headers=headers)


async def actions(auth: Auth, needle: UUID) -> list[ActionRecordedV1]:
    """What the audit was told that names an id, in its order."""
    records = await records_of(auth.service.settings.kafka_bootstrap, ActionRecordedV1.topic)
    told = [ActionRecordedV1.model_validate_json(record.value or b"") for record in records]
    return [each for each in told if str(needle) in each.model_dump_json()]


async def recorded(auth: Auth, needle: UUID, *names: str) -> None:
    """Hold that these actions, and no others, were recorded of an id."""

    async def look() -> bool:
        return len(await actions(auth, needle)) >= len(names)

    await eventually(look)
    assert [each.action for each in await actions(auth, needle)] == list(names)


async def test_the_first_account_is_made_once_and_never_overwritten(auth: Auth) -> None:
    (before,) = await auth.rows("staff", name_key=NAME)
    other = auth.service.settings.model_copy(
        update={"staff_name": "second", "staff_password": SecretStr(PASSWORD)}
    )
    keeper = auth.service.staff
    keeper._settings, kept = other, keeper._settings
    try:
        await keeper.ensure_first()
    finally:
        keeper._settings = kept
    assert await auth.rows("staff", name_key=NAME) == [before]
    assert not await auth.rows("staff", name_key="second")
    assert first_password(auth) not in str(before)


async def test_an_easy_first_password_is_refused(auth: Auth) -> None:
    with pytest.raises(WeakPassword):
        await auth.service.staff.add("new", SecretStr("operator1234"), actor="system", ground="tests")


async def test_an_operator_signs_in_is_let_in_and_signs_out(auth: Auth) -> None:
    first = await signed_in(auth)
    name, staff_id = await added(auth, first)
    answer = await attempt(auth, f" {name.upper()} ", PASSWORD)
    assert set(answer.json()) == {"session_id", "access_token", "token_type", "expires_in"}
    assert answer.json()["expires_in"] == 300
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    listed = {item["name"] for item in (await ask(auth, headers)).json()["items"]}
    assert {NAME, name} <= listed
    out = await auth.client.delete(f"{API}/staff/sessions/current", headers=headers)
    assert out.status_code == 204

    async def is_over() -> bool:
        return (await ask(auth, headers)).status_code == 401

    await eventually(is_over)
    await recorded(auth, staff_id, "staff.added", "staff.signed-in", "staff.signed-out")


async def test_a_refusal_is_recorded_where_there_is_an_account(auth: Auth) -> None:
    name, staff_id = await added(auth, await signed_in(auth))
    assert problem(await attempt(auth, name, "not the password"), 401) == "wrong-credentials"
    await recorded(auth, staff_id, "staff.added", "staff.refused")
    assert (await actions(auth, staff_id))[-1].ground == "wrong-password"


async def test_a_disabled_operator_is_out_at_once(auth: Auth) -> None:
    first = await signed_in(auth)
    name, staff_id = await added(auth, first)
    theirs = await signed_in(auth, name, PASSWORD)
    path = f"{API}/staff/accounts/{staff_id}"
    assert problem(await auth.client.delete(path, headers=theirs), 409) == "own-staff-account"
    assert (await auth.client.delete(path, headers=first)).status_code == 204
    assert problem(await auth.client.delete(path, headers=first), 404) == "staff-not-found"

    async def is_out() -> bool:
        return (await ask(auth, theirs)).status_code == 401

    await eventually(is_out)
    refused = await attempt(auth, name, PASSWORD)
    assert problem(refused, 401) == "wrong-credentials"
    assert refused.json() == (await attempt(auth, "nobody-of-this-name", PASSWORD)).json()
    again = await auth.client.post(
        f"{API}/staff/accounts", json={"name": name, "password": PASSWORD}, headers=first
    )
    assert problem(again, 409) == "staff-name-taken"
    names = ("staff.added", "staff.signed-in", "staff.disabled", "staff.refused")
    await recorded(auth, staff_id, *names)


async def test_a_person_is_no_operator_and_an_operator_no_person(auth: Auth) -> None:
    person, staff = await auth.signed_in(), await signed_in(auth)
    for method, path in (
        ("GET", "/staff/accounts"),
        ("POST", "/staff/accounts"),
        ("DELETE", f"/staff/accounts/{uuid4()}"),
        ("DELETE", "/staff/sessions/current"),
    ):
        body = {"name": "mallory", "password": PASSWORD}
        answer = await auth.client.request(method, API + path, json=body, headers=person.headers)
        assert problem(answer, 403) == "forbidden"
        assert problem(await auth.client.request(method, API + path, json=body), 401) == "unauthenticated"
    for path in ("/me", "/sessions"):
        assert problem(await ask(auth, staff, path), 403) == "forbidden"
    assert problem(await attempt(auth, person.email, person.password), 401) == "wrong-credentials"
    assert problem(await auth.post("/sessions", {"login": NAME, "password": first_password(auth)}), 401)


@pytest.mark.parametrize("field", ["roles", "role", "is_staff"])
async def test_no_form_takes_a_role(auth: Auth, field: str) -> None:
    person = await auth.signed_in()
    refusals = [
        await auth.post("/users", form(somebody(), **{field: ["staff"]})),
        await auth.patch("/me", {field: ["staff"]}, person),
        await auth.post("/sessions", {"login": person.email, "password": PASSWORD, field: ["staff"]}),
    ]
    assert [answer.status_code for answer in refusals] == [422] * 3
    refreshed = await auth.post("/sessions/refresh", {"refresh_token": person.tokens["refresh_token"]})
    person.tokens = refreshed.json()
    assert problem(await ask(auth, person.headers), 403) == "forbidden"


async def test_forged_and_bent_roles_let_nobody_in(auth: Auth) -> None:
    person = await auth.signed_in()
    foreign = mint(uuid4(), roles=["staff"])
    assert problem(await ask(auth, {"Authorization": f"Bearer {foreign}"}), 401) == "unauthenticated"
    bent: tuple[tuple[Any, int], ...] = (("staff", 403), (["Staff"], 403), (["staff "], 403), ({"x": 1}, 403))
    for roles, status in (*bent, (None, 401), (7, 401), ([["staff"]], 401)):
        headers = {"Authorization": f"Bearer {signed(auth, person, {}, roles=roles)}"}
        assert (await ask(auth, headers)).status_code == status, roles


async def test_an_expired_staff_token_is_refused(auth: Auth) -> None:
    operator = Person("", "", tokens={"access_token": (await signed_in(auth))["Authorization"][7:]})
    late = signed(auth, operator, {}, exp=1_700_000_000)
    assert problem(await ask(auth, {"Authorization": f"Bearer {late}"}), 401) == "unauthenticated"


async def test_the_token_of_somebody_who_was_deleted_is_refused(auth: Auth) -> None:
    person = await auth.signed_in()
    await auth.delete("/me", person, {"password": person.password, "now": True})

    async def is_out() -> bool:
        return (await ask(auth, person.headers)).status_code == 401

    await eventually(is_out)


async def test_known_and_unknown_names_cost_the_same_and_are_slowed_down_alike(auth: Auth) -> None:
    """The time of an answer is the hash's, and a floor; a clock would measure the machine, so hashes are counted."""
    known, _ = await added(auth, await signed_in(auth))
    outcomes = []
    for name in (known, f"op-{uuid4().hex[:8]}"):
        before = _hashes()
        answers = [await attempt(auth, name, "not the password") for _ in range(6)]
        outcomes.append(([answer.json() for answer in answers], _hashes() - before))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] == 5
    assert outcomes[0][0][-1]["code"] == "too-many-requests"


def _hashes() -> float:
    samples = [sample for metric in ARGON2_SECONDS.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_count"))


async def test_only_staff_tokens_have_the_role(auth: Auth) -> None:
    verifier = auth.app.state.verifier
    assert isinstance(verifier, TokenVerifier)
    assert isinstance(auth.service.access_tokens, AccessTokens)
    person = await auth.signed_in()
    assert (await verifier.user(person.tokens["access_token"])).roles == {"user"}
    token = (await signed_in(auth))["Authorization"].removeprefix("Bearer ")
    assert (await verifier.user(token)).roles == {"staff"}


async def test_nothing_of_an_operator_is_in_an_event(auth: Auth) -> None:
    name, staff_id = await added(auth, await signed_in(auth))
    await signed_in(auth, name, PASSWORD)
    await recorded(auth, staff_id, "staff.added", "staff.signed-in")
    bootstrap = auth.service.settings.kafka_bootstrap
    for topic in (ActionRecordedV1.topic, SessionRevokedV1.topic):
        assert not [
            each for each in await records_of(bootstrap, topic) if name.encode() in (each.value or b"")
        ]


async def test_an_operator_learns_an_accounts_id_and_the_ledger_who_asked(auth: Auth) -> None:
    person, headers, path = await auth.verified(), await signed_in(auth), f"{API}/staff/people/look-up"
    user_id = await auth.user_id(person)
    for login in (person.email.upper(), person.username):
        found = await auth.client.post(path, json={"login": login}, headers=headers)
        assert found.json() == {"user_id": str(user_id)}
    await recorded(auth, user_id, "person.looked-up", "person.looked-up")
    unverified = await auth.registered()
    for login in (unverified.email, somebody().email):
        refused = await auth.client.post(path, json={"login": login}, headers=headers)
        assert problem(refused, 404) == "person-not-found"
    assert (await auth.sign_in(person)).status_code == 201
    refused = await auth.client.post(path, json={"login": person.email}, headers=person.headers)
    assert problem(refused, 403) == "forbidden"
