"""Fixtures of generation's tests."""

from collections.abc import AsyncIterator

import pytest

from libs.common.settings import CommonSettings
from tests.generation.house import PROCEDURAL, House, open_house


@pytest.fixture(scope="module")
def backend() -> str:
    """Return the backend to draw with; a module may say otherwise."""
    return PROCEDURAL


@pytest.fixture(scope="module")
async def house(common_settings: CommonSettings, backend: str) -> AsyncIterator[House]:
    """Run generation, API and worker, on a database of the test module's own."""
    async with open_house(common_settings, backend) as running:
        yield running
