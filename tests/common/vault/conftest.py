"""A vault on the real database, with a master key of the stack's."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from libs.common.mongo import Mongo
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.vault.keys import DataKeys


@dataclass
class House:
    """A process that seals, and one that only counts and destroys."""

    settings: CommonSettings
    keys: DataKeys
    sealing: Sealing


@pytest.fixture(scope="module")
async def vault(common_settings: CommonSettings, mongo: Mongo) -> AsyncIterator[House]:
    keys = DataKeys(mongo, common_settings)
    await keys.prepare()
    sealing = Sealing(common_settings, keys)
    yield House(common_settings, keys, sealing)
    await sealing.close()
