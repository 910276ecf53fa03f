"""A record of the log as an auditor sees it: an event, or what is no event, said as such and never shown."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args

import orjson

from libs.common.bus.envelope import Malformed, Received, Record, first_of, receive
from libs.common.events import event_classes
from libs.common.events.base import Event, Sealed

SEALED = "sealed"
"""What stands for content that only its person's key opens: nobody reads it here."""

READABLE = {event.type_name(): event for event in event_classes()}


@dataclass(slots=True)
class Counts:
    """How much was read, and what of it was told."""

    events: int = 0
    malformed: int = 0


def lines_of(records: Iterable[Record], counts: Counts) -> bytes:
    """Return records as lines of JSON, and count them."""
    return b"".join(_line(record, counts) for record in records)


def told(kind: str, counts: Counts, **more: Any) -> bytes:
    """Return a line about the stream itself."""
    return orjson.dumps({"kind": kind, **asdict(counts), **more}, option=orjson.OPT_APPEND_NEWLINE)


def _line(record: Record, counts: Counts) -> bytes:
    place = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "logged_at": datetime.fromtimestamp(record.timestamp / 1000, UTC),
    }
    try:
        shown = {"kind": "event", **place, **_event(receive(record, READABLE))}
        counts.events += 1
    except Malformed as error:
        shown = {"kind": "malformed", **place, "code": error.code}
        counts.malformed += 1
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


def _event(received: Received) -> dict[str, Any]:
    headers, body = received.record.headers, orjson.loads(received.record.value or b"")
    hidden = sealed_fields(type(received.event))
    return {
        "id": received.id,
        "type": received.event.type_name(),
        "time": received.time,
        "source": first_of(headers, "ce_source"),
        "key": received.event.key,
        "traceparent": received.traceparent,
        "data": {name: SEALED if value and name in hidden else value for name, value in body.items()},
    }


@cache
def sealed_fields(event: type[Event]) -> frozenset[str]:
    """Return the names of an event's fields that carry sealed content."""
    fields = ((name, field.annotation) for name, field in event.model_fields.items())
    return frozenset(name for name, kind in fields if Sealed in (kind, *get_args(kind)))
