"""A running auth process, API and worker in one, on real Kafka, MongoDB, S3 and a mail server."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from libs.common.mongo import Mongo
from services.auth.main import create_app
from services.auth.settings import AuthSettings
from services.auth.tokens import AccessTokens
from tests.auth.people import ADDRESS, Auth


@pytest.fixture(scope="module")
def environment(settings_env: dict[str, str]) -> Iterator[dict[str, str]]:
    """What auth is told. It checks its own tokens with its own keys, given outright: no server listens here."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings_env.items():
            patch.setenv(name, value)
        patch.setenv("PIXERA_JWKS", json.dumps(AccessTokens(AuthSettings()).jwks))
        yield settings_env


@pytest.fixture(scope="module")
async def auth(environment: dict[str, str], mail_folder: Path) -> AsyncIterator[Auth]:
    app = create_app("all")
    mongo = Mongo.connect(AuthSettings(), "auth")
    transport = httpx.ASGITransport(app=app, client=(ADDRESS, 50_000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://auth") as client,
    ):
        yield Auth(app, client, mongo, mail_folder)
    await mongo.close()
