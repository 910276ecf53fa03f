"""The contact form, who asks, the case with its due date, the conversation, and what staff do; over real HTTP."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import altcha
import httpx
import pytest
from joserfc import jwt

from deploy.local.desk.messages import messages
from deploy.local.spawn import RunningStack
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.auth import MailRequestedV2
from libs.common.events.privacy import (
    ActionRecordedV1,
    MinorConfirmedV1,
    RequestAcceptedV1,
    RequestFulfilledV1,
    RequestUpdatedV1,
)
from libs.common.identity import ALGORITHM
from libs.common.identity_proof import PROOF_AUDIENCE, PROOF_TTL_S, PROOF_TYPE
from libs.common.privacy.exported import ANOTHERS
from libs.common.privacy.holder import ExportedRow
from libs.common.testing.serving import serving
from libs.common.testing.tokens import KEY, bearer
from libs.common.vault.keys import DataKeys
from services.privacy.main import create_app
from services.privacy.metrics import REQUESTS_DUE_SOON, REQUESTS_OVERDUE
from services.privacy.requests import rows as request_rows
from services.privacy.requests.intake import MOST_CHARACTERS
from services.privacy.requests.models import PersonRequest, RequestMessage
from tests.privacy.conftest import Privacy

OPERATOR = uuid4()
TEXT = "Please tell me what you know, Zaphod"
LINK = re.compile(r"/requests/([0-9a-f-]{36})#([A-Za-z0-9_-]{43})")


@pytest.fixture(scope="module")
async def desk(privacy: Privacy, stack: RunningStack) -> AsyncIterator["Desk"]:
    async with (
        serving(create_app("api", privacy.settings)) as address,
        httpx.AsyncClient(base_url=f"{address}/api/privacy/v1") as client,
    ):
        yield Desk(privacy, client, stack.home.mail)


def long_ago(user_id: UUID) -> dict[str, str]:
    """Return the header of a session whose password was given an hour ago."""
    return bearer(user_id, auth_time=int(time.time()) - 3_600)


def staff() -> dict[str, str]:
    return bearer(OPERATOR, roles=["staff"])


def proof(user_id: UUID, **changes: Any) -> str:
    """A proof of identity, as auth would sign it."""
    at = int(time.time())
    claims = {"iss": "pixera", "aud": PROOF_AUDIENCE, "sub": str(user_id), "iat": at, "exp": at + PROOF_TTL_S}
    header = {"alg": ALGORITHM, "kid": "tests", "typ": PROOF_TYPE}
    return jwt.encode(header, claims | changes, KEY, algorithms=[ALGORITHM])


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    code: str = answer.json()["code"]
    return code


def address() -> str:
    return f"{uuid4().hex[:12]}@example.com"


def network() -> dict[str, str]:
    """A network of its own: forms of strangers are counted by it."""
    return {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}


@dataclass
class Desk:
    """The API, and ways to look behind it."""

    privacy: Privacy
    client: httpx.AsyncClient
    mail: Path

    async def solved(self) -> str:
        given = altcha.Challenge.from_dict((await self.client.get("/requests/challenge")).json())
        solution = altcha.solve_challenge(given)
        assert solution is not None
        return altcha.Payload(given, solution).to_base64()

    async def file(self, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        wanted = {"kind": "access", "message": TEXT} | body
        return await self.client.post("/requests", json=wanted, headers=headers or network())

    async def filed(self, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
        answer = await self.file(headers, **body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def stranger(self, **body: Any) -> tuple[dict[str, Any], str]:
        """Make a request without an account; return what was answered, and the address."""
        email = body.pop("email", address())
        return await self.filed(email=email, altcha=await self.solved(), **body), email

    async def link(self, made: dict[str, Any], email: str) -> dict[str, str]:
        """Have the mails sent that are due about a request; return the header of the link in the last one."""
        request_id = made["request_id"]
        for event in await self.told(RequestUpdatedV1, request_id):
            await self.privacy.groups["privacy.mail-writers"].handler(event, self.privacy.platform.work.run)
        await self.privacy.mongo.collection(OutboxRow).delete_many({"key": request_id})
        found = LINK.search(next(iter(messages(self.mail, to=email))).text)
        assert found is not None
        assert found[1] == request_id
        return {"X-Request-Token": found[2]}

    async def told(self, kind: type[Any], key: object) -> list[Any]:
        """The events of a kind about somebody or something that wait in the outbox."""
        query = {"key": str(key), "topic": kind.topic}
        rows = await self.privacy.mongo.collection(OutboxRow).find(query, sort=[("_id", 1)])
        return [kind.model_validate_json(row["body"]) for row in rows]

    async def audited(self, action: str, target: str) -> list[ActionRecordedV1]:
        found = await self.told(ActionRecordedV1, "privacy")
        return [each for each in found if (each.action, each.target) == (action, target)]

    async def case(self, request_id: str) -> PersonRequest:
        row = await self.privacy.mongo.collection(PersonRequest).find_one({"_id": UUID(request_id)})
        assert row is not None
        return PersonRequest.from_mongo(row)

    async def change(self, request_id: str, **fields: Any) -> None:
        await self.privacy.mongo.collection("requests").update_one(
            {"_id": UUID(request_id)}, {"$set": fields}
        )

    async def texts(self, request_id: str) -> list[str]:
        rows = await self.privacy.mongo.collection(RequestMessage).find({"request_id": UUID(request_id)})
        return [row["text"] for row in rows]

    async def post(self, path: str, headers: dict[str, str], **body: Any) -> httpx.Response:
        return await self.client.post(path, json=body, headers=headers)


async def test_who_signed_in_a_moment_ago_is_believed_and_the_case_ends_when_it_is_done(desk: Desk) -> None:
    person = uuid4()
    made = await desk.filed(bearer(person), kind="erasure")
    assert made["state"] == "accepted"
    due = datetime.fromisoformat(made["due_at"]) - now()
    assert timedelta(days=27) < due < timedelta(days=31)
    (accepted,) = await desk.told(RequestAcceptedV1, person)
    assert (accepted.kind, str(accepted.request_id)) == ("erasure", made["request_id"])
    (mail,) = await desk.told(MailRequestedV2, person)
    assert (mail.kind, str(mail.request_id)) == ("request-received", made["request_id"])
    stored = await desk.privacy.mongo.collection("request_messages").find({"user_id": person})
    assert TEXT not in str(stored)

    path = f"/requests/{made['request_id']}"
    assert problem(await desk.post(f"{path}/cancel", bearer(person)), 409) == "request-not-cancellable"
    done = RequestFulfilledV1(
        user_id=person, request_id=accepted.request_id, kind="erasure", outcome="erasure-scheduled"
    )
    close = desk.privacy.groups["privacy.close-requests"].handler
    for _ in range(2):
        await desk.privacy.platform.work.run(lambda: close(done))
    read = (await desk.client.get(path, headers=bearer(person))).json()
    assert (read["state"], read["outcome"]) == ("closed", "erasure-scheduled")
    assert [each["text"] for each in read["messages"]] == [TEXT]
    assert [each.kind for each in await desk.told(MailRequestedV2, person)][1:] == ["request-closed"]


async def test_an_old_session_proves_nothing_until_it_is_proven_otherwise(desk: Desk) -> None:
    person, another = uuid4(), uuid4()
    made = await desk.filed(long_ago(person), kind="restriction")
    assert made["state"] == "unproven"
    assert await desk.told(RequestAcceptedV1, person) == []
    path = f"/requests/{made['request_id']}/identity"
    assert problem(await desk.post(path, long_ago(person)), 401) == "sign-in-again"
    forged = proof(person)[:-4] + "AAAA"
    for bad in (forged, proof(person, aud="pixera-api"), proof(person, exp=1), "x"):
        refused = await desk.post(path, long_ago(person), identity_proof=bad)
        assert problem(refused, 401) == "identity-proof-invalid"
    refused = await desk.post(path, long_ago(person), identity_proof=proof(another))
    assert problem(refused, 403) == "identity-of-another"
    assert await desk.told(RequestAcceptedV1, person) == []
    proven = await desk.post(path, long_ago(person), identity_proof=proof(person))
    assert proven.json()["state"] == "accepted"
    assert len(await desk.told(RequestAcceptedV1, person)) == 1
    again = await desk.post(path, bearer(person))
    assert problem(again, 409) == "identity-not-asked"


async def test_another_persons_request_looks_like_none(desk: Desk) -> None:
    made = await desk.filed(bearer(uuid4()))
    theirs, absent = f"/requests/{made['request_id']}", f"/requests/{uuid4()}"
    for headers in (bearer(uuid4()), {"X-Request-Token": "x"}, {}):
        answers = [await desk.client.get(path, headers=headers) for path in (theirs, absent)]
        assert {problem(each, 404) for each in answers} == {"request-not-found"}
        assert answers[0].json() == answers[1].json()
        for what, body in (("messages", {"message": "x"}), ("cancel", {}), ("identity", {})):
            refused = await desk.post(f"{theirs}/{what}", headers, **body)
            assert problem(refused, 404) == "request-not-found"


async def test_a_form_costs_work_once_and_has_to_say_where_the_answer_goes(desk: Desk) -> None:
    assert problem(await desk.file(email=address()), 422) == "challenge-failed"
    solved = await desk.solved()
    assert problem(await desk.file(altcha=solved), 422) == "address-needed"
    for forged in ("", "x", solved[:-8], altcha.Payload.from_base64(solved).to_base64()[::-1]):
        assert problem(await desk.file(email=address(), altcha=forged), 422) == "challenge-failed"
    await desk.filed(email=address(), altcha=solved)
    assert problem(await desk.file(email=address(), altcha=solved), 422) == "challenge-failed"


async def test_what_is_too_long_or_comes_too_often_is_refused(desk: Desk) -> None:
    person = uuid4()
    longest = await desk.file(bearer(person), message="x" * MOST_CHARACTERS)
    assert longest.status_code == 201
    assert problem(await desk.file(bearer(person), message="x" * (MOST_CHARACTERS + 1)), 413) == (
        "message-too-long"
    )
    assert problem(await desk.file(bearer(person), kind="tea"), 422) == "invalid"
    email, used = address(), await desk.solved()
    await desk.filed(email=address(), altcha=used)
    for _ in range(4):
        assert problem(await desk.file(email=email, altcha=used), 422) == "challenge-failed"
    for _ in range(3):  # what nobody worked for was not counted
        await desk.stranger(email=email)
    last = await desk.file(email=email.upper(), altcha=await desk.solved())
    assert (problem(last, 429), last.headers["retry-after"]) == ("too-many-requests", "60")
    throttles = await desk.privacy.mongo.collection("throttles").find({})
    assert email.partition("@")[0] not in str(throttles).lower()


async def test_who_has_no_account_goes_on_by_links_that_expire(desk: Desk) -> None:
    made, email = await desk.stranger(kind="question")
    assert made["state"] == "open"
    link, path = await desk.link(made, email), f"/requests/{made['request_id']}"
    assert (await desk.post(f"{path}/messages", link, message="One more thing")).status_code == 201
    read = (await desk.client.get(path, headers=link)).json()
    assert [(each["author"], each["text"]) for each in read["messages"]] == [
        ("person", TEXT),
        ("person", "One more thing"),
    ]
    other, _ = await desk.stranger()
    assert problem(await desk.client.get(f"/requests/{other['request_id']}", headers=link), 404) == (
        "request-not-found"
    )
    links = desk.privacy.mongo.collection("request_links")
    (kept,) = await links.find({"request_id": UUID(made["request_id"])})
    assert link["X-Request-Token"] not in str(kept)
    assert kept["sent_at"] is not None
    await links.update_one({"_id": kept["_id"]}, {"$set": {"expires_at": now()}})
    assert problem(await desk.client.get(path, headers=link), 401) == "request-link-expired"

    answers = [await desk.post(f"/requests/{each}/link", {}) for each in (made["request_id"], uuid4())]
    assert [(each.status_code, each.json()) for each in answers] == 2 * [(202, {"status": "check-your-mail"})]
    fresh = await desk.link(made, email)
    assert fresh != link
    ended = await desk.post(f"{path}/cancel", fresh)
    assert (ended.json()["state"], ended.json()["outcome"]) == ("closed", "cancelled")
    assert problem(await desk.post(f"{path}/messages", fresh, message="?"), 409) == "request-closed"


async def test_what_a_stranger_wrote_is_sealed_for_the_person_once_it_is_theirs(desk: Desk) -> None:
    made, email = await desk.stranger(kind="objection")
    person, path = uuid4(), f"/requests/{made['request_id']}"
    link, nobody = await desk.link(made, email), (await desk.case(made["request_id"])).user_id
    keys = DataKeys(desk.privacy.mongo, desk.privacy.settings)
    assert await keys.count(nobody) == 1
    assert problem(await desk.post(f"{path}/identity", link), 403) == "identity-needed"
    proven = await desk.post(f"{path}/identity", link, identity_proof=proof(person))
    assert proven.json()["state"] == "accepted"
    case = await desk.case(made["request_id"])
    assert (case.user_id, case.email, case.writer_id, case.proven_by) == (person, email, None, "code")
    assert await desk.texts(made["request_id"]) == [TEXT]
    assert (await keys.count(nobody), await keys.count(person)) == (0, 1)
    left = desk.privacy.mongo
    for name in ("requests", "request_messages", "request_links"):
        assert await left.collection(name).count({"user_id": nobody}) == 0
        assert await left.collection(name).count({"user_id": person}) == 1
    assert [each.kind for each in await desk.told(RequestAcceptedV1, person)] == ["objection"]
    assert (await desk.client.get(path, headers=link)).status_code == 200


async def test_a_request_that_is_made_twice_is_one(desk: Desk) -> None:
    person = uuid4()
    first = await desk.filed(bearer(person), kind="portability")
    again = await desk.filed(bearer(person), kind="portability", message="Again")
    assert again == first
    made, email = await desk.stranger(kind="portability", message="And from my other address")
    link = await desk.link(made, email)
    joined = await desk.post(f"/requests/{made['request_id']}/identity", link, identity_proof=proof(person))
    assert (joined.json()["id"], joined.json()["state"]) == (first["request_id"], "accepted")
    assert sorted(await desk.texts(first["request_id"])) == ["Again", "And from my other address", TEXT]
    was = await desk.case(made["request_id"])
    assert (was.outcome, str(was.joined_to)) == ("joined", first["request_id"])
    assert len(await desk.told(RequestAcceptedV1, person)) == 1
    listed = (await desk.client.get("/requests", headers=bearer(person))).json()["requests"]
    assert {each["id"] for each in listed} == {first["request_id"], made["request_id"]}


async def test_staff_see_what_is_due_first_and_answer_it(desk: Desk) -> None:
    person = uuid4()
    made = [await desk.filed(bearer(person), kind=kind) for kind in ("question", "minor-report", "access")]
    for days, each in zip((900, 901, 902), made, strict=True):
        await desk.change(each["request_id"], due_at=now() - timedelta(days=days))
    seen: list[str] = []
    cursor = None
    while len(seen) < 3:
        params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await desk.client.get("/staff/requests", params=params, headers=staff())).json()
        (row,), cursor = page["items"], page["next_cursor"]
        seen.append(row["id"])
        assert row["overdue"]
        assert str(person) not in str(row)
    assert seen == [each["request_id"] for each in reversed(made)]

    path = f"/staff/requests/{made[0]['request_id']}"
    assert problem(await desk.client.get(path, headers=bearer(person)), 403) == "forbidden"
    shown = (await desk.client.get(path, headers=staff())).json()
    assert [each["text"] for each in shown["messages"]] == [TEXT]
    assert len(await desk.audited("request.viewed", made[0]["request_id"])) == 1
    await desk.post(f"{path}/answers", staff(), message="Could you say more?")
    closed = await desk.post(f"{path}/answers", staff(), message="It is blue.", ends_as="answered")
    assert (closed.json()["state"], closed.json()["outcome"]) == ("closed", "answered")
    read = await desk.client.get(path.removeprefix("/staff"), headers=bearer(person))
    assert [each["author"] for each in read.json()["messages"]] == ["person", "staff", "staff"]
    assert str(OPERATOR) not in read.text
    kinds = [each.kind for each in await desk.told(MailRequestedV2, person)]
    assert kinds[-2:] == ["request-answered", "request-closed"]
    assert problem(await desk.post(f"{path}/answers", staff(), message="?"), 409) == "request-closed"


async def test_a_due_date_is_extended_once_with_a_reason_and_before_it(desk: Desk) -> None:
    made = await desk.filed(bearer(uuid4()))
    path = f"/staff/requests/{made['request_id']}/extension"
    more = await desk.post(path, staff(), reason="You asked for a lot")
    gained = datetime.fromisoformat(more.json()["due_at"]) - datetime.fromisoformat(made["due_at"])
    assert timedelta(days=58) < gained < timedelta(days=63)
    assert "You asked for a lot" in await desk.texts(made["request_id"])
    assert problem(await desk.post(path, staff(), reason="And more"), 409) == "request-not-extendable"
    late = await desk.filed(bearer(uuid4()))
    await desk.change(late["request_id"], due_at=now())
    path = f"/staff/requests/{late['request_id']}/extension"
    assert problem(await desk.post(path, staff(), reason="Sorry"), 409) == "request-not-extendable"


async def test_who_asks_for_somebody_else_is_checked_by_hand(desk: Desk) -> None:
    writer, owner = uuid4(), uuid4()
    needed = await desk.file(bearer(writer), for_another=True)
    assert problem(needed, 422) == "address-needed"
    email = address()
    made = await desk.filed(bearer(writer), for_another=True, email=email)
    assert made["state"] == "unproven"
    link, path = await desk.link(made, email), f"/requests/{made['request_id']}/identity"
    for by_code in (proof(owner), proof(writer)):
        refused = await desk.post(path, link, identity_proof=by_code)
        assert problem(refused, 403) == "identity-of-another"
    body = {"user_id": str(owner), "ground": "power-of-attorney"}
    assert problem(await desk.post(f"/staff{path}", bearer(writer), **body), 403) == "forbidden"
    confirmed = await desk.post(f"/staff{path}", staff(), **body)
    assert confirmed.json()["state"] == "accepted"
    assert len(await desk.told(RequestAcceptedV1, owner)) == 1
    assert [each.kind for each in await desk.told(MailRequestedV2, owner)] == ["request-received"]
    (entry,) = await desk.audited("request.identity-confirmed", made["request_id"])
    assert (entry.ground, entry.actor, entry.user_id) == ("power-of-attorney", f"staff:{OPERATOR}", owner)
    copied = [each async for each in desk.privacy.platform.holder.export(owner)]
    rows = [each.row for each in copied if isinstance(each, ExportedRow)]
    assert [row["email"] for row in rows if "email" in row] == [ANOTHERS]
    assert email not in str(rows), "the copy of who it is about tells the address of who asked for them"
    question = await desk.filed(bearer(writer), kind="question")
    refused = await desk.post(f"/staff/requests/{question['request_id']}/identity", staff(), **body)
    assert problem(refused, 409) == "identity-not-asked"


async def test_a_report_of_a_minor_is_urgent_and_takes_effect_when_staff_confirm_it(desk: Desk) -> None:
    minor, neighbour = uuid4(), uuid4()
    made, another = [await desk.filed(bearer(neighbour), kind="minor-report") for _ in range(2)]
    assert made["request_id"] != another["request_id"], (
        "one ends when it is confirmed, and is about one person"
    )
    assert datetime.fromisoformat(made["due_at"]) - now() < timedelta(days=4)
    other, _ = await desk.stranger(kind="abuse-report")
    refused = await desk.post(f"/staff/requests/{other['request_id']}/minor", staff(), user_id=str(minor))
    assert problem(refused, 409) == "no-minor-report"
    assert await desk.told(MinorConfirmedV1, minor) == []
    path = f"/staff/requests/{made['request_id']}/minor"
    assert (await desk.post(path, staff(), user_id=str(minor))).json()["outcome"] == "confirmed"
    (confirmed,) = await desk.told(MinorConfirmedV1, minor)
    assert str(confirmed.request_id) == made["request_id"]
    (entry,) = await desk.audited("minor.confirmed", made["request_id"])
    assert entry.user_id == minor
    assert problem(await desk.post(path, staff(), user_id=str(minor)), 409) == "request-closed"


async def test_people_are_reminded_before_it_is_late_and_what_nobody_proves_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_rows, "DUE_AT_ONCE", 1)
    soon, late = [await desk.filed(bearer(uuid4()), kind="rectification") for _ in range(2)]
    unproven, email = await desk.stranger(kind="withdrawal")
    sealed, _ = await desk.stranger(kind="withdrawal")  # it comes first, and cannot be opened
    await desk.change(sealed["request_id"], due_at=now() - timedelta(days=1), email="never@sealed.example")
    await desk.change(soon["request_id"], remind_at=now())
    await desk.change(late["request_id"], due_at=now(), remind_at=None)
    await desk.change(unproven["request_id"], due_at=now())
    broken = {"_id": uuid4(), "remind_at": now() - timedelta(days=1)}  # it comes first, and cannot be read
    await desk.privacy.mongo.collection("requests").insert_one(broken)
    clock = desk.privacy.service.requests.deadlines
    for _ in range(2):
        await clock.pass_time()
    await clock.measure()
    for request_id in (broken["_id"], UUID(sealed["request_id"])):
        await desk.privacy.mongo.collection("requests").delete_one({"_id": request_id})
    assert (await desk.case(soon["request_id"])).remind_at is None
    assert REQUESTS_DUE_SOON.labels("rectification")._value.get() == 1
    assert REQUESTS_OVERDUE.labels("rectification")._value.get() == 1
    lapsed = await desk.case(unproven["request_id"])
    assert (lapsed.state, lapsed.outcome) == ("closed", "lapsed")
    news = [each.news for each in await desk.told(RequestUpdatedV1, unproven["request_id"])]
    assert news == ["request-unproven", "request-lapsed"]
    link = await desk.link(unproven, email)
    refused = await desk.post(
        f"/requests/{unproven['request_id']}/identity", link, identity_proof=proof(uuid4())
    )
    assert problem(refused, 409) == "request-closed"


async def test_a_key_that_cannot_be_destroyed_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_rows, "DUE_AT_ONCE", 1)
    writers = [uuid4() for _ in range(2)]
    cases = sorted([(await desk.filed(bearer(uuid4())))["request_id"] for _ in writers])
    for request_id, writer_id in zip(cases, writers, strict=True):
        await desk.change(request_id, writer_id=writer_id)
    destroy, clock = DataKeys.destroy, desk.privacy.service.requests.deadlines

    async def refused(self: DataKeys, user_id: UUID) -> int:
        if user_id == writers[0]:
            raise OSError("it has gone")
        return await destroy(self, user_id)

    with monkeypatch.context() as patched:
        patched.setattr(DataKeys, "destroy", refused)
        await clock.pass_time()
    assert [(await desk.case(each)).writer_id for each in cases] == [writers[0], None]
    await clock.pass_time()
    assert (await desk.case(cases[0])).writer_id is None


async def test_an_erasure_takes_all_of_a_persons_requests(desk: Desk) -> None:
    person, other = uuid4(), uuid4()
    for user_id in (person, other):
        await desk.filed(bearer(user_id))
    holder, case_id = desk.privacy.platform.holder, uuid4()
    found = {each.holding: each.found for each in await holder.inventory(person, case_id)}
    assert (found["privacy.requests"], found["privacy.request_messages"]) == (1, 1)
    erased = {each.holding: each.erased for each in await holder.erase(person, case_id)}
    assert erased == found
    for name in ("requests", "request_messages"):
        assert await desk.privacy.mongo.collection(name).count({"user_id": person}) == 0
        assert await desk.privacy.mongo.collection(name).count({"user_id": other}) == 1
    assert problem(await desk.file(bearer(person)), 410) == "subject-erased"


async def test_the_pages_are_there_in_the_language_of_the_browser(desk: Desk) -> None:
    base = str(desk.client.base_url).partition("/api/")[0]
    for path in ("/contacts", f"/requests/{uuid4()}"):
        page = await desk.client.get(f"{base}{path}", headers={"accept-language": "ru"})
        assert (page.status_code, page.headers["content-language"]) == (200, "ru")
        assert page.headers["vary"] == "Accept-Language"
        assert (await desk.client.get(f"{base}{path}/de")).headers["content-language"] == "de"
        assert (await desk.client.get(f"{base}{path}/xx")).status_code == 422
    assert (await desk.client.get(f"{base}/requests/nothing")).status_code == 422
