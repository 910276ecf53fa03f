"""What all tests share: the real servers of `deploy/local`, and settings for processes that run on them."""

import pytest

from libs.common import logging

pytest_plugins = ["libs.common.testing.stack"]


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Log as a process does: structlog's own default draws each exception with all its variables, for seconds."""
    logging.configure("tests", "INFO")
