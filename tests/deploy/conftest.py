"""A stack without services: the servers, the gateway and the e-mail desk, shared by the gateway's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.spawn import RunningStack, started


@pytest.fixture(scope="session")
def bare_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Kafka, MongoDB, S3, Envoy and e-mail; the services' ports are free for a test's own upstream."""
    home: Path = tmp_path_factory.mktemp("bare-stack")
    with started(home, "--only", "") as stack:
        yield stack
