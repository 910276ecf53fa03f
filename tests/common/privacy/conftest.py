"""Fixtures for the personal-data machinery: a small service on the real servers."""

from collections.abc import AsyncIterator

import pytest

from libs.common.settings import CommonSettings
from tests.common.privacy.studio import BUCKET, Studio, open_studio


@pytest.fixture
async def studio(common_settings: CommonSettings) -> AsyncIterator[Studio]:
    """Return a service with every kind of holding."""
    async with open_studio(common_settings) as started:
        await started.storage.ensure_buckets(BUCKET)
        yield started
