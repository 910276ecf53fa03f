"""The HTTP API: what a person, a checker and an operator may see, and nobody else."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common import case_token
from libs.common.bus.outbox import OutboxRow
from libs.common.certificate import verify, verify_chain
from libs.common.clock import now
from libs.common.events.privacy import ActionRecordedV1
from libs.common.signing import load_public_key
from libs.common.testing.serving import serving
from libs.common.testing.tokens import bearer
from libs.common.testing.waiting import eventually
from services.privacy.main import create_app
from services.privacy.protocol import HOLDERS, Phase
from services.privacy.scanner import ScanReport
from tests.privacy.conftest import Erasure, Privacy

OPERATOR, ANOTHER = uuid4(), uuid4()


@pytest.fixture(scope="module")
async def api(privacy: Privacy) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(create_app("api", privacy.settings)) as address,
        httpx.AsyncClient(base_url=f"{address}/api/privacy/v1") as client,
    ):
        yield client


def token(privacy: Privacy, erasure: Erasure) -> dict[str, str]:
    return {"x-case-token": case_token.issue(privacy.settings.case_token_key, erasure.case_id)}


def staff(operator: UUID = OPERATOR) -> dict[str, str]:
    return bearer(operator, roles=["staff"])


async def held(
    api: httpx.AsyncClient, case_id: UUID, until: datetime, ground: str = "legal-claim"
) -> dict[str, Any]:
    """Hold a case's account, as two operators do; return the hold."""
    wanted = {"target": {"kind": "case", "id": str(case_id)}, "until": until.isoformat(), "ground": ground}
    asked = await api.post("/staff/holds", json=wanted, headers=staff())
    assert asked.status_code == 201, asked.text
    confirmed = await api.post(f"/staff/holds/{asked.json()['id']}/confirm", headers=staff(ANOTHER))
    assert confirmed.status_code == 200, confirmed.text
    body: dict[str, Any] = confirmed.json()
    return body


async def verified(privacy: Privacy) -> Erasure:
    erasure = Erasure()
    await privacy.deliver(*erasure.honest_story())
    at = now()
    await privacy.service.finish_scan(erasure.case_id, 1, ScanReport(at, at, 6, 30, 100, 3, ()))
    return erasure


async def test_a_person_follows_the_case_with_its_token(privacy: Privacy, api: httpx.AsyncClient) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted(), erasure.inventory("auth"))
    body = (await api.get(f"/cases/{erasure.case_id}", headers=token(privacy, erasure))).json()
    assert body["state"] == "INVENTORY"
    assert sorted(body["waiting_for"]) == ["billing", "gallery", "generation", "privacy"]
    assert [line["what"] for line in body["timeline"]] == [
        "account-deleted",
        "inventory-requested",
        "inventory-completed",
    ]
    assert body["requested_at"] < body["target_at"] < body["due_at"]
    assert [part["holder"] for part in body["holders"] if part["inventoried"]] == ["auth"]
    header = {"Authorization": f"Case {token(privacy, erasure)['x-case-token']}"}
    assert (await api.get(f"/cases/{erasure.case_id}", headers=header)).json() == body


async def test_a_wrong_token_looks_like_no_case(privacy: Privacy, api: httpx.AsyncClient) -> None:
    erasure, other = Erasure(), Erasure()
    await privacy.deliver(erasure.deleted(), other.deleted())
    for path in (f"/cases/{erasure.case_id}", f"/cases/{erasure.case_id}/certificate"):
        absent = await api.get(
            path.replace(str(erasure.case_id), str(uuid4())), headers=token(privacy, erasure)
        )
        for headers in ({}, {"x-case-token": "x"}, {"authorization": "Case é"}, token(privacy, other)):
            answer = await api.get(path, headers=httpx.Headers(headers, encoding="utf-8"))
            assert answer.status_code == 404
            assert answer.json() == absent.json()
            assert answer.headers["content-type"] == "application/problem+json"


async def test_the_certificate_comes_byte_for_byte_and_verifies(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    path = f"/cases/{erasure.case_id}/certificate"
    early = await api.get(path, headers=token(privacy, erasure))
    assert (early.status_code, early.json()["code"]) == (404, "certificate-not-found")

    erasure = await verified(privacy)
    answer = await api.get(f"/cases/{erasure.case_id}/certificate", headers=token(privacy, erasure))
    keys = [load_public_key(key["pem"]) for key in (await api.get("/keys")).json()["keys"]]
    verdict = verify(answer.content, keys)
    assert verdict.valid, verdict.checks
    assert verdict.body is not None
    head = (await api.get("/certificates/head")).json()
    assert head == {"sequence": verdict.body["sequence"], "hash": verdict.body["hash"]}


async def test_operators_list_open_cases_first_by_due_date(privacy: Privacy, api: httpx.AsyncClient) -> None:
    await verified(privacy)
    for _ in range(4):
        await privacy.deliver(Erasure().deleted())
    seen, cursor = [], None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/staff/cases", params=params, headers=staff())).json()
        seen += page["items"]
        if not (cursor := page["next_cursor"]):
            break
    closed = [case["state"] == "VERIFIED" for case in seen]
    assert closed == sorted(closed)
    assert True in closed
    due = [datetime.fromisoformat(case["due_at"]) for case in seen if case["state"] != "VERIFIED"]
    assert due == sorted(due)
    assert len({case["case_id"] for case in seen}) == len(seen) >= 5
    bad = await api.get("/staff/cases", params={"cursor": "x123"}, headers=staff())
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid-cursor")


async def test_operators_resend(privacy: Privacy, api: httpx.AsyncClient) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS))
    answer = await api.post(f"/staff/cases/{erasure.case_id}/resend", headers=staff())
    assert answer.json()["attempt"] == 2
    assert (await privacy.published(erasure))[-1] == "erasure.requested"
    shown = await api.get(f"/staff/cases/{erasure.case_id}", headers=staff())
    assert shown.json()["timeline"][-2]["what"] == "sent-again-by-operator"
    absent = await api.post(f"/staff/cases/{uuid4()}/resend", headers=staff())
    assert absent.status_code == 404


async def test_a_held_person_is_frozen_and_not_erased_until_two_operators_release_them(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    erasure, until = Erasure(), now() + timedelta(days=40)
    await privacy.deliver(erasure.deleted())
    hold = await held(api, erasure.case_id, until)
    assert (hold["state"], hold["waits_for"]) == ("in-force", None)
    await privacy.deliver(*(erasure.inventory(holder) for holder in HOLDERS))
    shown = (await api.get(f"/cases/{erasure.case_id}", headers=token(privacy, erasure))).json()
    assert shown["state"] == "HELD"
    assert (shown["hold"]["ground"], shown["hold"]["ended_at"]) == ("legal-claim", None)
    assert shown["hold"]["reason"].endswith("defence of legal claims.")
    assert datetime.fromisoformat(shown["hold"]["until"]) == until
    assert datetime.fromisoformat(shown["due_at"]) < until
    assert await privacy.published(erasure) == ["inventory.requested"]

    path = f"/staff/holds/{hold['id']}"
    asked = (await api.post(f"{path}/release", headers=staff())).json()
    assert (asked["state"], asked["waits_for"]) == ("in-force", "second-operator")
    assert (await privacy.case(erasure)).phase is Phase.HELD
    released = await api.post(f"{path}/confirm", headers=staff(ANOTHER))
    assert (released.json()["state"], released.json()["ended_as"]) == ("ended", "lifted")
    after = (await api.get(f"/staff/cases/{erasure.case_id}", headers=staff())).json()
    assert (after["state"], after["hold"], after["account_holds"]) == ("ERASING", None, [hold["id"]])
    assert (await privacy.published(erasure))[-1] == "erasure.requested"
    lines = [line["what"] for line in after["timeline"]]
    assert (lines.index("held-by-operator"), lines[-2]) == (2, "released-by-operator")
    again = await api.post(f"{path}/release", headers=staff())
    assert (again.status_code, again.json()["code"]) == (409, "not-held")

    await privacy.deliver(*(erasure.erasure(holder) for holder in HOLDERS))
    at = now()
    await privacy.service.finish_scan(erasure.case_id, 1, ScanReport(at, at, 6, 30, 100, 3, ()))
    certificate = json.loads(await privacy.service.certificates.of_case(erasure.case_id))
    (told,) = certificate["holds"]
    assert told["ground"] == "legal-claim"
    assert told["since"] < told["ended_at"] < told["until"]


async def test_nobody_holds_an_account_or_lets_it_go_alone(privacy: Privacy, api: httpx.AsyncClient) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    wanted = {
        "target": {"kind": "account", "id": str(erasure.user_id)},
        "until": (now() + timedelta(days=1)).isoformat(),
        "ground": "authority-request",
    }
    asked = (await api.post("/staff/holds", json=wanted, headers=staff())).json()
    assert (asked["state"], asked["waits_for"]) == ("unconfirmed", "second-operator")
    path = f"/staff/holds/{asked['id']}"

    async def alone(operator: UUID) -> None:
        refused = await api.post(f"{path}/confirm", headers=staff(operator))
        assert (refused.status_code, refused.json()["code"]) == (409, "second-operator-needed")

    await alone(OPERATOR)
    assert (await privacy.case(erasure)).phase is Phase.INVENTORY
    await api.post(f"{path}/confirm", headers=staff(ANOTHER))
    assert (await privacy.case(erasure)).phase is Phase.HELD
    waits_for_nobody = await api.post(f"{path}/confirm", headers=staff())
    assert (waits_for_nobody.status_code, waits_for_nobody.json()["code"]) == (409, "nothing-to-confirm")
    await api.post(f"{path}/release", headers=staff(ANOTHER))
    await alone(ANOTHER)
    assert (await privacy.case(erasure)).phase is Phase.HELD
    shown = (await api.get(f"/cases/{erasure.case_id}", headers=token(privacy, erasure))).json()
    assert shown["hold"]["ground"] == "legal-obligation"  # that an authority asked is not told


async def test_holding_and_releasing_are_told_to_the_audit_with_who_did_it(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    hold = await held(api, erasure.case_id, now() + timedelta(seconds=3), "court-order")

    async def recorded(target: str) -> list[ActionRecordedV1]:
        rows = await privacy.mongo.collection(OutboxRow).find({"topic": ActionRecordedV1.topic})
        found = [ActionRecordedV1.model_validate_json(row["body"]) for row in rows]
        return [action for action in found if action.target == target]

    async def ended() -> list[ActionRecordedV1]:
        """Let time pass as the worker does."""
        await privacy.service.tick_due()
        found = [
            action for action in await recorded(str(erasure.case_id)) if action.action == "erasure.released"
        ]
        return found if [each for each in await recorded(hold["id"]) if each.action == "hold.expired"] else []

    (released,) = await eventually(ended)
    assert (released.actor, released.ground) == ("system", "hold-expired")
    stopped = next(
        action for action in await recorded(str(erasure.case_id)) if action.action == "erasure.held"
    )
    assert (stopped.actor, stopped.ground) == (f"staff:{ANOTHER}", "court-order")
    assert stopped.user_id == erasure.user_id
    told = {action.action: action.actor for action in await recorded(hold["id"])}
    assert told == {
        "hold.asked": f"staff:{OPERATOR}",
        "hold.confirmed": f"staff:{ANOTHER}",
        "hold.expired": "system",
    }


async def test_a_hold_that_comes_too_late_or_has_no_proper_end_is_refused(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    wanted = {"target": {"kind": "case", "id": str(erasure.case_id)}, "ground": "legal-claim"}
    for until in (now() - timedelta(seconds=1), now() + timedelta(days=400)):
        answer = await api.post("/staff/holds", json=wanted | {"until": until.isoformat()}, headers=staff())
        assert (answer.status_code, answer.json()["code"]) == (422, "hold-unfit")
    wanted["until"] = (now() + timedelta(days=1)).isoformat()
    unfit: dict[str, Any] = {"ground": "Because Ms Doe sued us"}
    assert (await api.post("/staff/holds", json=wanted | unfit, headers=staff())).status_code == 422
    unfit = {"target": {"kind": "item", "holding": "gallery.sessions", "id": str(uuid4())}}
    answer = await api.post("/staff/holds", json=wanted | unfit, headers=staff())
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-item")
    unfit = {"target": {"kind": "case", "id": str(uuid4())}}
    assert (await api.post("/staff/holds", json=wanted | unfit, headers=staff())).status_code == 404

    early = (await api.post("/staff/holds", json=wanted, headers=staff())).json()
    await privacy.deliver(*(erasure.inventory(holder) for holder in HOLDERS), erasure.erasure("gallery"))
    confirmed = await api.post(f"/staff/holds/{early['id']}/confirm", headers=staff(ANOTHER))
    assert (confirmed.status_code, confirmed.json()["code"]) == (409, "hold-too-late")
    assert (await api.get(f"/staff/holds/{early['id']}", headers=staff())).json()["state"] == "too-late"
    answer = await api.post("/staff/holds", json=wanted, headers=staff())
    assert (answer.status_code, answer.json()["code"]) == (409, "hold-too-late")
    assert answer.json()["answered"] == ["gallery"]
    assert (await privacy.case(erasure)).saga.holds == ()


async def test_open_erasures_are_counted_against_their_deadline(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    before = (await api.get("/staff/erasures", headers=staff())).json()
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    after = (await api.get("/staff/erasures", headers=staff())).json()
    assert after["open"] == before["open"] + 1
    assert after["by_state"]["INVENTORY"] == before["by_state"].get("INVENTORY", 0) + 1
    assert after["overdue"] == after["attention"] == 0
    assert after["oldest_requested_at"] < after["soonest_due_at"]


async def test_the_service_tells_operators_how_it_stands(api: httpx.AsyncClient) -> None:
    answer = await api.get("/staff/status", headers=staff())
    assert answer.status_code == 200, answer.text
    assert answer.json()["service"] == "privacy"
    assert answer.json()["outbox"]["pending"] > 0  # nobody relays here
    assert answer.json()["relay"] is False


async def test_operators_read_the_whole_chain(privacy: Privacy, api: httpx.AsyncClient) -> None:
    for _ in range(3):
        await verified(privacy)
    signed, after = [], "0"
    while after:
        page = (
            await api.get("/staff/certificates", params={"limit": "2", "after": after}, headers=staff())
        ).json()
        signed += [item["signed"].encode() for item in page["items"]]
        after = page["next_cursor"]
    keys = [load_public_key(key["pem"]) for key in (await api.get("/keys")).json()["keys"]]
    assert verify_chain(signed, keys)[1].passed


async def test_nobody_else_is_let_in(api: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/staff/cases"),
        ("GET", f"/staff/cases/{uuid4()}"),
        ("POST", f"/staff/cases/{uuid4()}/resend"),
        ("POST", "/staff/holds"),
        ("GET", "/staff/holds"),
        ("POST", f"/staff/holds/{uuid4()}/confirm"),
        ("POST", f"/staff/holds/{uuid4()}/release"),
        ("GET", f"/staff/cases/{uuid4()}/certificates"),
        ("GET", "/staff/erasures"),
        ("GET", "/staff/status"),
        ("GET", "/staff/certificates"),
    ):
        nobody = await api.request(method, path)
        person = await api.request(method, path, headers=bearer(uuid4(), roles=["user"]))
        assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthenticated")
        assert (person.status_code, person.json()["code"]) == (403, "forbidden")
