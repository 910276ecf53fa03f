"""`pixera policy`: what there is, publishing it, and who has been told."""

import json

import pytest

from libs.common.clock import now
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings
from services.auth.agreement_models import NoticeRun
from tests.cli.conftest import pixera
from tests.privacy.policies.test_publishing import FIRST, PLAIN, WEIGHTY, folder

__all__ = ["folder"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("folder")]


async def test_versions_are_listed_published_and_never_twice(api: dict[str, str]) -> None:
    listed = await pixera("policy", "list", **api)
    assert listed.code == 0, listed.err
    assert "draft" in listed.out
    plain = await pixera("policy", "publish", "terms", PLAIN, "--json", **api)
    assert plain.code == 0, plain.err
    assert json.loads(plain.out)["version"] == PLAIN

    unsure = await pixera("policy", "publish", "terms", WEIGHTY, **api)
    assert unsure.code == 2
    assert "Say --yes to mean it" in unsure.err
    meant = await pixera("policy", "publish", "terms", WEIGHTY, "--yes", **api)
    assert meant.code == 0, meant.err
    assert "Everybody is being told" in meant.out

    again = await pixera("policy", "publish", "terms", WEIGHTY, "--yes", **api)
    assert (again.code, again.out) == (1, "")
    assert "published already" in again.err
    assert (await pixera("policy", "publish", "licence", "1", **api)).code == 2
    states = json.loads((await pixera("policy", "list", "--json", **api)).out)
    terms = {each["version"]: each["state"] for each in states if each["document"] == "terms"}
    assert terms == {FIRST: "superseded", PLAIN: "superseded", WEIGHTY: "current"}


async def test_who_is_left_to_be_told_is_a_no(api: dict[str, str], common_settings: CommonSettings) -> None:
    nobody = await pixera("policy", "notices", "--json", **api)
    assert (nobody.code, json.loads(nobody.out)) == (0, [])
    mongo = Mongo.connect(common_settings, "auth")
    run = NoticeRun(id="terms:t", document="terms", version="t", begun_at=now(), told=3)
    await mongo.collection(NoticeRun).insert_one(run.to_mongo())
    telling = await pixera("policy", "notices", **api)
    assert telling.code == 1
    assert "telling" in telling.out
    await mongo.collection(NoticeRun).update_one({"_id": run.id}, {"$set": {"done_at": now()}})
    assert "everybody told" in (await pixera("policy", "notices", **api)).out
    await mongo.close()
