"""Operators change the master key over HTTP, a part at a time, and the audit knows who did it."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from libs.common.bus.outbox import OutboxRow
from libs.common.events.privacy import ActionRecordedV1
from libs.common.testing.serving import serving
from libs.common.testing.tokens import bearer
from services.privacy import vault
from services.privacy.main import create_app
from tests.privacy.conftest import Privacy, settings_with
from tests.privacy.test_api import OPERATOR, staff

VAULT = "/api/privacy/v1/staff/vault"
PEOPLE = 7


@asynccontextmanager
async def told(privacy: Privacy, *masters: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a privacy that was told these masters, the first of which wraps."""
    settings = settings_with(privacy.settings, privacy.settings.data_map, vault_master_key=",".join(masters))
    app: FastAPI = create_app("api", settings)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def test_a_master_is_changed_in_parts_and_every_key_stays_in_use(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "AT_ONCE", 3)
    key = privacy.settings.vault_master_key
    assert key is not None
    old, new = key.get_secret_value(), base64.b64encode(secrets.token_bytes(96)).decode()
    people = {uuid4(): "" for _ in range(PEOPLE)}
    for person in people:
        (people[person],) = await privacy.platform.sealing.seal(person, [str(person)])

    async with told(privacy, new, old) as client:
        before = (await client.get(VAULT, headers=staff())).json()
        assert before["waiting"] == before["keys"] == PEOPLE
        steps: list[dict[str, Any]] = []
        while not steps or steps[-1]["waiting"]:
            answer = await client.post(f"{VAULT}/rotate", headers=staff())
            assert answer.status_code == 200, answer.text
            steps.append(answer.json())
        assert [(step["rewrapped"], step["waiting"]) for step in steps] == [(3, 4), (3, 1), (1, 0)]
        again = (await client.post(f"{VAULT}/rotate", headers=staff())).json()
        assert (again["rewrapped"], again["master"]) == (0, before["master"])
    assert await recorded(privacy) == [(f"staff:{OPERATOR}", count, before["master"]) for count in (3, 3, 1)]

    async with told(privacy, old) as client:
        refused = await client.post(f"{VAULT}/rotate", headers=staff())
        assert (refused.status_code, refused.json()["code"]) == (409, "master-unknown")
    async with told(privacy, old, new) as client:
        for _ in range(3):
            await client.post(f"{VAULT}/rotate", headers=staff())
    for person, sealed in people.items():
        assert await privacy.platform.sealing.opened(person, [sealed]) == [str(person)]


async def test_nobody_but_staff_sees_or_changes_the_vault(privacy: Privacy) -> None:
    key = privacy.settings.vault_master_key
    assert key is not None
    async with told(privacy, key.get_secret_value()) as client:
        for headers, status in (({}, 401), (bearer(UUID(int=1)), 403)):
            assert (await client.get(VAULT, headers=headers)).status_code == status
            assert (await client.post(f"{VAULT}/rotate", headers=headers)).status_code == status
        shown = await client.get(VAULT, headers=staff())
        assert key.get_secret_value()[:20] not in shown.text


async def recorded(privacy: Privacy) -> list[tuple[str, int | None, str | None]]:
    rows = await privacy.mongo.collection(OutboxRow).find(
        {"topic": ActionRecordedV1.topic}, sort=[("_id", 1)]
    )
    actions = [ActionRecordedV1.model_validate_json(row["body"]) for row in rows]
    return [(each.actor, each.count, each.target) for each in actions if each.action == vault.ROTATED]
