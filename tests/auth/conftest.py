"""A running auth process, API and worker in one, on real Kafka, MongoDB, S3 and a mail server."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.spawn import RunningStack
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings
from libs.common.testing.waiting import eventually
from services.auth.main import create_app
from services.auth.settings import AuthSettings
from services.auth.tokens import AccessTokens
from tests.auth.people import ADDRESS, Auth


@pytest.fixture(scope="module")
async def auth(stack: RunningStack, common_settings: CommonSettings) -> AsyncIterator[Auth]:
    """It checks its own tokens with its own keys, given outright: no server listens here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIXERA_JWKS", json.dumps(AccessTokens(AuthSettings()).jwks))
        app = create_app("all")
    mongo = Mongo.connect(common_settings, "auth")
    transport = httpx.ASGITransport(app=app, client=(ADDRESS, 50_000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://auth") as client,
    ):
        await eventually(lambda: _is_ready(client), within_s=30)  # it reads which sessions have ended first
        mongo.seals = app.state.mongo.seals
        yield Auth(app, client, mongo, stack.home.mail)
    await mongo.close()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@pytest.fixture(scope="module")
def settings(common_settings: CommonSettings) -> AuthSettings:
    """Auth's settings on the stack, for parts that are tried alone."""
    return AuthSettings()
