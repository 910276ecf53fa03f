"""`pixera requests`: what is due, and answering it by what the standard input says; `pixera export`: what sticks."""

import json
from uuid import UUID, uuid4

import pytest

from libs.common.blind_index import BlindIndexes
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.privacy import ExportRequestedV1, MinorConfirmedV1, RequestAcceptedV1
from libs.common.identity import User
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings
from services.auth.look_ups import LookUps
from services.auth.settings import AuthSettings
from services.privacy.exports.models import Export
from services.privacy.protocol import HOLDERS
from services.privacy.requests.access import Caller
from services.privacy.requests.intake import Form
from services.privacy.requests.kinds import Kind
from tests.cli.conftest import pixera
from tests.privacy.conftest import Privacy

pytestmark = pytest.mark.slow


async def filed(privacy: Privacy, kind: Kind, *, for_another: bool = False) -> str:
    """Make a request, by somebody who signed in a moment ago; return its id."""
    user = User(uuid4(), uuid4(), frozenset(), now(), now())
    form = Form(kind, "Hello", "en", f"{uuid4().hex}@example.com", for_another)
    return str((await privacy.service.requests.intake.file(form, Caller(user), uuid4().hex)).id)


@pytest.fixture
async def account(api: dict[str, str], common_settings: CommonSettings) -> tuple[str, UUID]:
    """A verified account's name and id; its row has what a look-up reads, and nothing that is sealed."""
    name, user_id, settings = f"p{uuid4().hex[:12]}", uuid4(), AuthSettings()
    assert settings.blind_index_key is not None
    key = LookUps(BlindIndexes(settings.blind_index_key)).username(name)
    mongo = Mongo.connect(common_settings, "auth")
    row = {"_id": user_id, "status": "active", "username_key": key, "email_key": key, "password_hash": ""}
    await mongo.collection("users").insert_one(row)
    await mongo.close()
    return name, user_id


async def test_what_is_overdue_is_a_no_and_is_answered(privacy: Privacy, api: dict[str, str]) -> None:
    assert (await pixera("requests", "list", **api)).code == 0
    request_id = await filed(privacy, Kind.QUESTION)
    await privacy.mongo.collection("requests").update_one(
        {"_id": UUID(request_id)}, {"$set": {"due_at": now()}}
    )
    listed = await pixera("requests", "list", "--kind", "question", **api)
    assert listed.code == 1, listed.err
    assert request_id in listed.out
    shown = json.loads((await pixera("requests", "show", request_id, "--json", **api)).out)
    assert [each["text"] for each in shown["messages"]] == ["Hello"]
    late = await pixera("requests", "extend", request_id, typed="Too much", **api)
    assert (late.code, late.out) == (1, "")
    silent = await pixera("requests", "answer", request_id, **api)
    assert silent.code == 2
    assert "says nothing" in silent.err
    answer = await pixera("requests", "answer", request_id, "--ends-as", "answered", typed="Yes\n", **api)
    assert answer.code == 0, answer.err
    assert "closed (answered)" in answer.out
    assert (await pixera("requests", "answer", request_id, typed="And?", **api)).code == 1
    assert (await pixera("requests", "show", str(uuid4()), **api)).code == 2


async def test_an_export_is_followed_by_its_case_and_whose_it_is_nobody_is_told(
    privacy: Privacy, api: dict[str, str]
) -> None:
    exports, user_id, case = privacy.service.exports, uuid4(), uuid4()
    begun = await privacy.platform.work.run(lambda: exports.begin(user_id, case, "portability"))
    for command in ("list", "show", "retry"):
        ran = await pixera("export", command, *([] if command == "list" else [str(case)]), "--json", **api)
        assert ran.code == 1, ran.err
        told = json.loads(ran.out)
        (export,) = told if command == "list" else (told,)
        assert (export["export_id"], export["requests"]) == (str(begun.id), [str(case)])
        assert export["waiting_for"] == list(HOLDERS)
        assert str(user_id) not in ran.out
    asked = {"topic": ExportRequestedV1.topic, "key": str(user_id)}
    assert await privacy.mongo.collection(OutboxRow).count(asked) == 2, (
        "once by the case, once by the command"
    )
    await privacy.mongo.collection(Export).update_one(
        {"_id": begun.id}, {"$set": {"open": False, "state": "ready", "ready_at": now()}}
    )
    assert (await pixera("export", "list", **api)).code == 0
    assert (await pixera("export", "show", str(uuid4()), **api)).code == 2


async def test_it_is_confirmed_by_hand_whose_account_it_is(
    privacy: Privacy, api: dict[str, str], account: tuple[str, UUID]
) -> None:
    login, user_id = account
    request_id = await filed(privacy, Kind.OBJECTION, for_another=True)
    unsure = await pixera("requests", "confirm", request_id, typed=login, **api)
    assert unsure.code == 2
    unknown = await pixera(
        "requests", "confirm", request_id, "--ground", "authority", typed="nobody@example.com", **api
    )
    assert unknown.code == 2
    done = await pixera("requests", "confirm", request_id, "--ground", "authority", typed=login, **api)
    assert done.code == 0, done.err
    report = await filed(privacy, Kind.MINOR_REPORT)
    assert (await pixera("requests", "confirm", report, "--minor", typed=login, **api)).code == 0
    told = await privacy.mongo.collection(OutboxRow).find({"key": str(user_id)})
    assert {RequestAcceptedV1.topic, MinorConfirmedV1.topic} <= {row["topic"] for row in told}
