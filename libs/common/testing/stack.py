"""Fixtures on the real servers, started by the same code as `make run`. Nothing here stands in for a server."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.spawn import RunningStack, started
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings
from libs.common.storage import Storage


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Kafka, MongoDB, S3 and mail of this run's own, on free ports."""
    with started(tmp_path_factory.mktemp("stack"), "--no-services") as running:
        yield running


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole platform of this run's own; `platform.gateway` is where people reach it.

    Who uses it leaves it well, and with people of its own: a start costs as much as most of what is tried there.
    """
    with started(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="module")
def settings_env(stack: RunningStack) -> Iterator[Mapping[str, str]]:
    """The environment of a service process on the stack, with databases of this module's own.

    It is in force while the module's tests run, so that settings read it and child processes inherit it.
    """
    env = {**stack.env, "PIXERA_MONGO_DATABASE_PREFIX": f"test_{uuid4().hex[:8]}_"}
    with _environment(env):
        yield env


@pytest.fixture(scope="module")
async def common_settings(settings_env: Mapping[str, str]) -> AsyncIterator[CommonSettings]:
    """The settings that every process has; the databases go when the module is done."""
    settings = CommonSettings(**_fields(settings_env))
    yield settings
    mongo = Mongo.connect(settings, "tests")
    await drop_databases(mongo, settings.mongo_database_prefix)
    await mongo.close()


@pytest.fixture(scope="module")
async def mongo(common_settings: CommonSettings) -> AsyncIterator[Mongo]:
    """A database of this module's own."""
    mongo = Mongo.connect(common_settings, "tests")
    yield mongo
    await mongo.close()


@pytest.fixture(scope="module")
async def storage(common_settings: CommonSettings) -> AsyncIterator[Storage]:
    """The object store. Its buckets are shared by the run: use names of your own."""
    storage = Storage(common_settings)
    yield storage
    await storage.close()


def _fields(env: Mapping[str, str]) -> dict[str, Any]:
    """Return settings' fields from the variables they are read from."""
    return {name.removeprefix("PIXERA_").lower(): value for name, value in env.items()}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def drop_databases(mongo: Mongo, prefix: str) -> None:
    """Drop every database whose name begins with `prefix`."""
    for name in await mongo.client.list_database_names():
        if name.startswith(prefix):
            await mongo.client.drop_database(name)
