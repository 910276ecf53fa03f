"""What all tests share: the real servers of `deploy/local`, and settings for processes that run on them."""

import os
import socket
from collections.abc import Generator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from libs.common import logging
from libs.common.assembling import put_together

pytest_plugins = ["libs.common.testing.stack"]

IMPATIENT = {
    "PIXERA_BUS_SESSION_TIMEOUT_MS": "2000",
    "PIXERA_BUS_HEARTBEAT_INTERVAL_MS": "500",
    "PIXERA_BUS_LEASE_TTL_S": "2",
}
"""Whoever succeeds a killed process waits for this first, and many tests kill one. `make chaos` has the real ones."""


def pytest_configure() -> None:
    """Set what every process of the tests inherits, before a module of theirs reads it."""
    os.environ.update(IMPATIENT)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let pytest-rerunfailures' workers send without delay what they say to the run before and after each test.

    It writes twice before it reads, so the kernel holds the second back for 40 ms (RFC 896): 25 ms a test.
    """
    link = getattr(getattr(session.config, "failures_db", None), "sock", None)
    if link is not None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect as a process starts: each worker imports all tests, and through them all of the platform."""
    with put_together():
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Log as a process does: structlog's own default draws each exception with all its variables, for seconds."""
    logging.configure("tests", "INFO")


WHOLE_PLATFORMS = (
    "tests/e2e/test_story.py",
    "tests/integration/test_restore.py",
    "tests/chaos/test_faults.py",
    "tests/chaos/test_workload.py",
    "tests/cli/test_status.py",
    "tests/deploy/test_stopping.py",
)
"""They start all services and servers: one such platform at a time is what two processors carry. Those with a
platform of their own come first: the one that the others share runs from its first test to the end."""


class FileByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file stays on one worker, where its tests share a house; all whole platforms share a worker too."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "whole platforms" if file in WHOLE_PLATFORMS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile:
    """Share the files out among the workers."""
    return FileByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that nobody waits for it at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    order = {file: place for place, file in enumerate(WHOLE_PLATFORMS)}
    items.sort(
        key=lambda item: (order.get(item.nodeid.partition("::")[0], len(order)), item.path not in slow)
    )
