"""The command against real auth and privacy APIs behind one address; nothing of them is replaced."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from libs.common.testing.serving import serving
from libs.common.testing.warm import Ran, Warm
from services.auth.main import create_app as auth
from services.auth.settings import AuthSettings
from services.auth.tokens import AccessTokens
from services.privacy.main import create_app
from tests.privacy.conftest import Privacy, privacy, privacy_settings

__all__ = ["Ran", "privacy", "privacy_settings"]

ROOT = Path(__file__).parents[2]


@cache
def command() -> Warm:
    """Return what runs the command."""
    return Warm("cli.__main__:main", "pydantic", "httpcore", "anyio", "h11", "typer.rich_utils", "zoneinfo")


async def pixera(*arguments: str, typed: str = "", **env: str) -> Ran:
    """Run the command as a person does. Args: typed: what its standard input says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIXERA_")}
    given = clean | {"COLUMNS": "200", "NO_COLOR": "1"} | env
    return await asyncio.to_thread(lambda: command().run(arguments, given, typed, timeout=60))


@pytest.fixture(scope="module")
async def api(privacy: Privacy) -> AsyncIterator[dict[str, str]]:
    """The platform as far as these commands go; yields the environment that leads the command to it."""
    async with answering(privacy) as environment:
        yield environment


@asynccontextmanager
async def answering(privacy: Privacy, **changed: object) -> AsyncIterator[dict[str, str]]:
    """Run auth and privacy for the block. Args: changed: settings of privacy's that are others."""
    async with reached(
        lambda keys: create_app("api", privacy.settings.model_copy(update=keys | changed))
    ) as env:
        yield env


@asynccontextmanager
async def reached(service: Callable[[dict[str, str]], FastAPI]) -> AsyncIterator[dict[str, str]]:
    """Run auth and another service for the block. Args: service: makes it, from the settings it shares with auth."""
    settings = AuthSettings()
    assert settings.staff_password is not None
    keys = {"jwks": json.dumps(AccessTokens(settings).jwks)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIXERA_JWKS", keys["jwks"])
        people = auth("api")
    async with serving(both(people, service(keys))) as address:
        yield {
            "PIXERA_URL": address,
            "PIXERA_STAFF_PASSWORD": settings.staff_password.get_secret_value(),
        }


def both(people: FastAPI, other: FastAPI) -> FastAPI:
    """Return auth and another service as one app, each at the addresses that the gateway gives it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with people.router.lifespan_context(people), other.router.lifespan_context(other):
            yield

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        await (people if scope["path"].startswith("/api/auth/") else other)(scope, receive, send)

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.mount("", choose)
    return app
