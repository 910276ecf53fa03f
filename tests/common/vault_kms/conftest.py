"""A vault whose master is in a KMS, and processes that were told of it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from libs.common.mongo import Mongo
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.vault.keys import DataKeys
from tests.common.vault_kms.key_service import KeyService

Start = Callable[..., Sealing]
"""Starts a process that seals; settings are as the KMS' installation has them, but for what is given."""


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyService]:
    with KeyService(tmp_path_factory.mktemp("kms")).running() as running:
        yield running


@pytest.fixture(scope="module")
async def keys(common_settings: CommonSettings, mongo: Mongo) -> DataKeys:
    keys = DataKeys(mongo, common_settings)
    await keys.prepare()
    return keys


@pytest.fixture
def told(common_settings: CommonSettings, kms: KeyService) -> Callable[..., CommonSettings]:
    """Return settings as the KMS' installation has them, but for what is given."""

    def settings(**changes: Any) -> CommonSettings:
        return CommonSettings.model_validate(common_settings.model_dump() | kms.told | changes)

    return settings


@pytest.fixture
async def start(told: Callable[..., CommonSettings], keys: DataKeys) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        def process(**changes: Any) -> Sealing:
            sealing = Sealing(told(**changes), keys)
            stack.push_async_callback(sealing.close)
            return sealing

        yield process
