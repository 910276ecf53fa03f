"""Reading records: what is an event, and under which code everything else is turned away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs.common.bus.envelope import Headers, Malformed, NotSubscribed, headers_of, receive
from libs.common.bus.outbox import OutboxRow
from libs.common.events.auth import UserVerifiedV1
from libs.common.events.base import REGISTRY
from tests.common.bus.events import noted

USER = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
NOTED = noted("test.envelope")
READABLE = {NOTED.type_name(): NOTED}
ROW = OutboxRow.of(NOTED(user_id=USER, number=7), "/pixera/tests", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")


@dataclass
class Given:
    """A record like any that the relay writes, but for what a test says."""

    topic: str = ROW.topic
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_700_000_000_000
    key: bytes | None = ROW.key.encode()
    value: bytes | None = ROW.body
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=lambda: headers_of(ROW))


def headers(**changes: bytes | None) -> Headers:
    """Return the relay's headers, changed or without what is None."""
    changed = {name.replace("content_type", "content-type"): value for name, value in changes.items()}
    merged: dict[str, bytes | None] = {**dict(headers_of(ROW)), **changed}
    return [(name, value) for name, value in merged.items() if value is not None]


def test_what_the_relay_writes_is_read_back() -> None:
    received = receive(Given(), READABLE)
    assert received.event == NOTED(user_id=USER, number=7)
    assert received.id == ROW.id
    assert received.time == ROW.time
    assert received.traceparent == ROW.traceparent
    assert received.fenced_subject == USER


def test_missing_time_is_the_records() -> None:
    received = receive(Given(headers=headers(ce_time=None)), READABLE)
    assert received.time == datetime.fromtimestamp(1_700_000_000, UTC)


def test_events_about_the_erased_are_not_fenced() -> None:
    unfenced = noted("test.envelope", fenced=False)
    received = receive(Given(), {unfenced.type_name(): unfenced})
    assert received.fenced_subject is None


def test_foreign_headers_do_not_matter() -> None:
    received = receive(Given(headers=[*headers(), ("x-vendor", b"\xff\xfe"), ("x-null", None)]), READABLE)
    assert received.id == ROW.id


def test_other_known_events_on_the_topic_are_passed_over() -> None:
    with pytest.raises(NotSubscribed):
        receive(Given(headers=headers(ce_type=UserVerifiedV1.type_name().encode())), READABLE)


def test_unknown_version_of_a_known_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, (NOTED.topic, 1), NOTED)
    with pytest.raises(Malformed) as caught:
        receive(Given(headers=headers(ce_type=b"pixera.test.envelope.v9")), READABLE)
    assert caught.value.code == "malformed.unknown-version"


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (Given(value=None), "tombstone"),
        (Given(value=b"x" * 300_000), "oversized"),
        (Given(value=b"{"), "invalid-body"),
        (Given(value=b"\xff\xfe"), "invalid-body"),
        (Given(value=b'{"user_id":"nobody"}'), "invalid-body"),
        (Given(key=None), "wrong-key"),
        (Given(key=b"somebody-else"), "wrong-key"),
        (Given(topic="test.elsewhere"), "wrong-topic"),
        (Given(headers=[]), "spec-version"),
        (Given(headers=headers(ce_specversion=b"0.3")), "spec-version"),
        (Given(headers=headers(content_type=b"application/cloudevents+json")), "structured-mode"),
        (Given(headers=headers(content_type=b"application/avro")), "content-type"),
        (Given(headers=headers(ce_id=None)), "no-ce-id"),
        (Given(headers=[*headers(ce_id=None), ("ce_id", None)]), "no-ce-id"),
        (Given(headers=headers(ce_id=b"\xff\xfe")), "header-encoding"),
        (Given(headers=headers(ce_id=b"x" * 200)), "bad-id"),
        (Given(headers=headers(ce_type=None)), "no-ce-type"),
        (Given(headers=headers(ce_type=b"\xc3\x28")), "header-encoding"),
        (Given(headers=headers(ce_type=b"com.example.whatever")), "unknown-type"),
        (Given(headers=headers(ce_time=b"yesterday")), "bad-time"),
        (Given(headers=headers(ce_time=b"2026-01-01T00:00:00")), "bad-time"),
    ],
)
def test_what_is_no_event_is_named(record: Given, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        receive(record, READABLE)
    assert caught.value.code == f"malformed.{code}"
