"""Publishing a version: in force at once, announced, recorded, and never changed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from libs.common.bus.outbox import OutboxRow
from libs.common.events.privacy import ActionRecordedV1, PolicyPublishedV1
from libs.common.testing.serving import serving
from libs.common.testing.tokens import bearer
from services.privacy.main import create_app
from services.privacy.policies import publishing
from services.privacy.policies.texts import FOLDER, LANGUAGES, versions
from tests.privacy.conftest import Privacy, privacy, privacy_settings

__all__ = ["privacy", "privacy_settings"]

OPERATOR = uuid4()
FIRST, PLAIN, WEIGHTY = "2026-11-01", "2026-12-01", "2027-01-01"


def write(folder: Path, version: str, *, significant: bool, words: str = "We may change") -> None:
    """Write a version of the terms in every language, made of the first one's text."""
    for language in LANGUAGES:
        text = (FOLDER / "terms" / f"{FIRST}.{language}.md").read_text()
        text = text.replace(FIRST, version).replace("We may change", words)
        text = text.replace("significant: false", f"significant: {str(significant).lower()}")
        (folder / "terms" / f"{version}.{language}.md").write_text(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The versions' files, with later ones: a plain one and a significant one."""
    folder = tmp_path_factory.mktemp("policies")
    for path in FOLDER.glob("*/*.md"):
        (folder / path.parent.name).mkdir(exist_ok=True)
        (folder / path.parent.name / path.name).write_text(path.read_text())
    write(folder, PLAIN, significant=False)
    write(folder, WEIGHTY, significant=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "versions", lambda: versions(folder))
        yield folder


@pytest.fixture(scope="module")
async def api(privacy: Privacy, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Privacy's API, that publishes the first versions when it starts; a second process of it starts beside it."""
    async with (
        serving(create_app("api", privacy.settings)) as address,
        serving(create_app("api", privacy.settings)),
        httpx.AsyncClient(base_url=f"{address}/api/privacy/v1") as client,
    ):
        yield client


async def publish(api: httpx.AsyncClient, version: str, document: str = "terms") -> httpx.Response:
    headers = bearer(OPERATOR, roles=["staff"])
    return await api.post(f"/staff/policies/{document}/{version}/publish", headers=headers)


async def announced(privacy: Privacy, version: str) -> list[PolicyPublishedV1]:
    rows = await privacy.mongo.collection(OutboxRow).find(
        {"topic": PolicyPublishedV1.topic}, sort=[("_id", 1)]
    )
    events = [PolicyPublishedV1.model_validate_json(row["body"]) for row in rows]
    return [event for event in events if event.document_version == version]


async def in_force(api: httpx.AsyncClient) -> dict[str, str]:
    answer = await api.get("/policies")
    assert answer.headers["cache-control"] == "no-cache"
    return {each["document"]: each["version"] for each in answer.json()["current"]}


async def test_the_first_versions_are_in_force_from_the_start_and_nobody_is_told_of_them(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    assert await in_force(api) == {"policy": FIRST, "terms": FIRST}
    first = await announced(privacy, FIRST)
    assert sorted((event.document, event.significant) for event in first) == [
        ("policy", False),
        ("terms", False),
    ]


async def test_a_text_is_read_by_anybody_in_each_language_and_kept(api: httpx.AsyncClient) -> None:
    for language, title in (("en", "Privacy policy"), ("de", "Datenschutzerklärung")):
        answer = await api.get(f"/policies/policy/{FIRST}/{language}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (answer.json()["title"], answer.json()["language"]) == (title, language)
        assert f"<h1>{title}</h1>" in answer.json()["html"]
        assert answer.json()["markdown"].lstrip().startswith(f"# {title}")
    browser = await api.get(f"/policies/policy/{FIRST}/ru", headers={"Accept": "text/html,*/*;q=0.8"})
    assert browser.headers["content-type"].startswith("text/html")
    assert browser.text.startswith('<!doctype html>\n<html lang="ru">')
    assert "<h1>Политика конфиденциальности</h1>" in browser.text
    for missing in (f"policy/{PLAIN}/en", "policy/2020-01-01/en"):
        absent = await api.get(f"/policies/{missing}")
        assert (absent.status_code, absent.json()["code"]) == (404, "policy-unknown")
    assert (await api.get(f"/policies/policy/{FIRST}/fr")).status_code == 422
    assert (await api.get("/policies/licence")).status_code == 422


async def test_publishing_takes_effect_at_once_and_is_announced_and_recorded(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    draft = await api.get("/staff/policies", headers=bearer(OPERATOR, roles=["staff"]))
    states = {(each["document"], each["version"]): each["state"] for each in draft.json()["versions"]}
    assert (states["terms", FIRST], states["terms", WEIGHTY]) == ("current", "draft")

    answers = await asyncio.gather(*(publish(api, WEIGHTY) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "policy-published"}
    assert (await in_force(api))["terms"] == WEIGHTY
    listed = (await api.get("/policies/terms")).json()["versions"]
    assert [each["version"] for each in listed] == [WEIGHTY, FIRST]
    (event,) = await announced(privacy, WEIGHTY)
    assert (event.document, event.significant) == ("terms", True)
    rows = await privacy.mongo.collection(OutboxRow).find({"topic": ActionRecordedV1.topic})
    actions = [ActionRecordedV1.model_validate_json(row["body"]) for row in rows]
    (action,) = [each for each in actions if each.target == f"terms:{WEIGHTY}"]
    assert (action.action, action.actor, action.ground) == (
        "policy.published",
        f"staff:{OPERATOR}",
        "by-staff",
    )


async def test_an_older_or_unknown_version_is_refused(api: httpx.AsyncClient, folder: Path) -> None:
    await publish(api, WEIGHTY)
    refused = await publish(api, PLAIN)
    assert (refused.status_code, refused.json()["code"], refused.json()["current"]) == (
        409,
        "policy-outdated",
        WEIGHTY,
    )
    assert (await publish(api, "2030-01-01")).json()["code"] == "policy-unknown"
    person = await api.post(f"/staff/policies/terms/{PLAIN}/publish", headers=bearer(uuid4()))
    assert person.status_code == 403


async def test_what_was_published_stays_as_it_was_whatever_becomes_of_the_file(
    api: httpx.AsyncClient, folder: Path
) -> None:
    before = (await api.get(f"/policies/terms/{FIRST}/en")).json()
    write(folder, FIRST, significant=False, words="We will never change")
    versions.cache_clear()
    assert (await api.get(f"/policies/terms/{FIRST}/en")).json() == before
    listed = await api.get("/staff/policies", headers=bearer(OPERATOR, roles=["staff"]))
    altered = {each["version"] for each in listed.json()["versions"] if each["altered"]}
    assert altered == {FIRST}
