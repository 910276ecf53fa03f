"""A rig that the tests of this folder share; each leaves it without a fault."""

from collections.abc import AsyncIterator

import pytest

from tests.chaos.rig import LocalRig, rig


@pytest.fixture(scope="module")
async def chaos_rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRig]:
    """A whole platform for faults."""
    async with rig(tmp_path_factory.mktemp("rig")) as rigged:
        yield rigged
