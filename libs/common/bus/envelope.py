"""CloudEvents 1.0 in Kafka's binary mode: the event's context in headers, the event as the record's value.

Source:   cloudevents/bindings/kafka-protocol-binding.md; every rule broken has a stable code of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from pydantic import ValidationError

from libs.common.events.base import REGISTRY, Event

SPEC_VERSION = b"1.0"
JSON = b"application/json"
STRUCTURED = b"application/cloudevents"
MOST_BYTES = 262_144
LONGEST_ID = 128
LONGEST_VERSION = 6
"""More digits than any version of an event ever has; Python refuses to read a number of over 4300."""

Headers = list[tuple[str, bytes]]


class Outgoing(Protocol):
    """What a stored event must have to be published."""

    id: str
    type: str
    source: str
    time: datetime
    subject: str
    traceparent: str | None


class Record(Protocol):
    """A Kafka record, as the client hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Malformed(Exception):
    """A record that is no event this group can read; it goes to the dead letters at once."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = f"malformed.{code}"


class NotSubscribed(Exception):
    """A well-known event that this group does not read, such as the next version beside the one it reads."""


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it came in, with where it came from."""

    event: Event
    id: str
    time: datetime
    traceparent: str | None
    record: Record = field(repr=False)

    @property
    def topic(self) -> str:
        """Return the topic it came on."""
        return self.record.topic

    @property
    def partition(self) -> int:
        """Return the partition it came on."""
        return self.record.partition

    @property
    def offset(self) -> int:
        """Return its place in the partition."""
        return self.record.offset

    @property
    def fenced_subject(self) -> UUID | None:
        """Return the person whose erasure makes this event void, if it is about one."""
        return getattr(self.event, "user_id", None) if self.event.fenced else None


def source_of(service: str) -> str:
    """Return the CloudEvents source of a service's events."""
    return f"/pixera/{service}"


def headers_of(row: Outgoing) -> Headers:
    """Return the headers that an outbox row is published with."""
    headers = [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", row.id.encode()),
        ("ce_type", row.type.encode()),
        ("ce_source", row.source.encode()),
        ("ce_time", row.time.isoformat().encode()),
        ("ce_subject", row.subject.encode()),
        ("content-type", JSON),
    ]
    if row.traceparent:
        headers.append(("traceparent", row.traceparent.encode()))
    return headers


def receive(record: Record, readable: Mapping[str, type[Event]]) -> Received:
    """Return the event that a record carries.

    Args:     readable: the event classes of the group by CloudEvents type.
    Raises:   Malformed: dead letter.  NotSubscribed: to be passed over.
    """
    if record.value is None:
        raise Malformed("tombstone")
    if len(record.value) > MOST_BYTES:
        raise Malformed("oversized")
    headers = dict(record.headers)
    _require_binary_json(headers)
    event_id = _text(headers, "ce_id")
    if len(event_id) > LONGEST_ID:
        raise Malformed("bad-id")
    event = _event(record.value, _event_class(_text(headers, "ce_type"), record.topic, readable))
    if record.key != event.key.encode():
        raise Malformed("wrong-key")
    return Received(event, event_id, _time(headers, record.timestamp), _traceparent(headers), record)


def _require_binary_json(headers: Mapping[str, bytes | None]) -> None:
    content_type = headers.get("content-type") or JSON
    if content_type.startswith(STRUCTURED):
        raise Malformed("structured-mode")
    if headers.get("ce_specversion") != SPEC_VERSION:
        raise Malformed("spec-version")
    if content_type.split(b";")[0].strip() != JSON:
        raise Malformed("content-type")


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise Malformed(f"no-{name.replace('_', '-')}")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed("header-encoding") from None


def _event_class(type_name: str, topic: str, readable: Mapping[str, type[Event]]) -> type[Event]:
    if found := readable.get(type_name):
        if found.topic != topic:
            raise Malformed("wrong-topic")
        return found
    subject, _, version = type_name.removeprefix("pixera.").rpartition(".v")
    readable_version = version.isdecimal() and len(version) <= LONGEST_VERSION
    if readable_version and (subject, int(version)) in REGISTRY:
        raise NotSubscribed(type_name)
    known = any(subject == name for name, _ in REGISTRY)
    raise Malformed("unknown-version" if known else "unknown-type")


def _event(body: bytes, found: type[Event]) -> Event:
    try:
        return found.model_validate_json(body)
    except ValidationError:
        raise Malformed("invalid-body") from None


def _time(headers: Mapping[str, bytes | None], timestamp_ms: int) -> datetime:
    try:
        if not headers.get("ce_time"):
            return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
        time = datetime.fromisoformat(_text(headers, "ce_time"))
    except (ValueError, OverflowError, OSError):  # what no calendar has, by whichever clock
        raise Malformed("bad-time") from None
    if time.tzinfo is None:
        raise Malformed("bad-time")
    return time


def _traceparent(headers: Mapping[str, bytes | None]) -> str | None:
    value = headers.get("traceparent")
    return value.decode("ascii", errors="ignore") if value else None


def first_of(headers: Sequence[tuple[str, bytes | None]], name: str) -> str | None:
    """Return a header as text for people, whatever bytes it holds."""
    for key, value in headers:
        if key == name:
            return (value or b"").decode(errors="replace")
    return None
