"""A bus of one's own for each test."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from libs.common.settings import CommonSettings
from tests.common.bus.harness import Bench, open_bench


@pytest.fixture
async def bench(common_settings: CommonSettings) -> AsyncIterator[Bench]:
    """A service on the bus, stopped at the end."""
    bench = await open_bench(common_settings, f"s{uuid4().hex[:8]}")
    yield bench
    await bench.close()
