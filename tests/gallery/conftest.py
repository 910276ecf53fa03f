"""Fixtures of gallery's tests."""

from collections.abc import AsyncIterator

import pytest

from libs.common.settings import CommonSettings
from tests.gallery.house import House, open_house


@pytest.fixture(scope="module")
async def house(common_settings: CommonSettings) -> AsyncIterator[House]:
    """Run gallery, API and worker, on a database of the test module's own."""
    async with open_house(common_settings) as running:
        yield running
