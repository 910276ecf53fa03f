"""What reaches the log of a process."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from libs.common.logging import SELDOM_S, configure, logger


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Return where the log of this process goes for the test."""
    root, out = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr("sys.stdout", out)
    configure("tests", "INFO")
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)


def said(out: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in out.getvalue().splitlines()]


def test_a_client_of_kafka_says_each_thing_once_in_a_while(written: io.StringIO) -> None:
    client = logging.getLogger("aiokafka.consumer.fetcher")
    for node in range(50):
        client.error("Unable connect to node with id %s", node)
    client.error("Something else")
    assert said(written) == ["Unable connect to node with id 0", "Something else"]
    later = logging.makeLogRecord(
        {"name": client.name, "msg": "Unable connect to node with id %s", "args": (7,), "levelno": 40}
    )
    later.created += SELDOM_S
    client.handle(later)
    assert said(written)[-1] == "Unable connect to node with id 7"


def test_what_the_platform_says_is_always_written(written: io.StringIO) -> None:
    for number in range(3):
        logger("tests").info("happened", number=number)
    assert said(written) == ["happened"] * 3
