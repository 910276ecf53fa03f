"""A record of the log as an auditor sees it: an event, or what is no event, said as such and never shown."""

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args
from uuid import UUID

import orjson

from libs.common.bus.envelope import Malformed, Received, Record, first_of, receive
from libs.common.events import event_classes
from libs.common.events.base import Event, Sealed

SEALED = "sealed"
"""What stands for content that only its person's key opens: nobody reads it here."""
ERASED = "erased"
"""What stands for it once that key is destroyed: nobody reads it anywhere."""

READABLE = {event.type_name(): event for event in event_classes()}


Reading = tuple[Record, Received | Malformed]


@dataclass(slots=True)
class Counts:
    """How much was read, and what of it was told."""

    events: int = 0
    malformed: int = 0


def read(records: Iterable[Record]) -> list[Reading]:
    """Return each record with the event that it carries, or with why it carries none."""
    return [(record, _received(record)) for record in records]


def people_sealed_for(readings: Iterable[Reading]) -> set[UUID]:
    """Return the people whose content is sealed in some of these events."""
    events = [found.event for _, found in readings if isinstance(found, Received)]
    return {event.user_id for event in events if _is_sealed(event)}  # type: ignore[attr-defined]


def _is_sealed(event: Event) -> bool:
    """Tell whether an event carries sealed content; what is sealed is sealed for its `user_id`."""
    return any(getattr(event, name) for name in sealed_fields(type(event)))


def lines_of(readings: Iterable[Reading], counts: Counts, living: Container[UUID]) -> bytes:
    """Return records as lines of JSON, and count them. Args: living: people whose key there still is."""
    return b"".join(_line(record, found, counts, living) for record, found in readings)


def told(kind: str, counts: Counts, **more: Any) -> bytes:
    """Return a line about the stream itself."""
    return orjson.dumps({"kind": kind, **asdict(counts), **more}, option=orjson.OPT_APPEND_NEWLINE)


def _received(record: Record) -> Received | Malformed:
    try:
        return receive(record, READABLE)
    except Malformed as error:
        return error


def _line(record: Record, found: Received | Malformed, counts: Counts, living: Container[UUID]) -> bytes:
    shown = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "logged_at": datetime.fromtimestamp(record.timestamp / 1000, UTC),
    }
    if isinstance(found, Malformed):
        counts.malformed += 1
        shown |= {"kind": "malformed", "code": found.code}
    else:
        counts.events += 1
        shown |= {"kind": "event", **_event(found, living)}
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


def _event(received: Received, living: Container[UUID]) -> dict[str, Any]:
    headers, data = received.record.headers, orjson.loads(received.record.value or b"")
    for name in sealed_fields(type(received.event)):
        if data.get(name):
            data[name] = SEALED if getattr(received.event, "user_id", None) in living else ERASED
    return {
        "id": received.id,
        "type": received.event.type_name(),
        "time": received.time,
        "source": first_of(headers, "ce_source"),
        "key": received.event.key,
        "traceparent": received.traceparent,
        "data": data,
    }


@cache
def sealed_fields(event: type[Event]) -> frozenset[str]:
    """Return the names of an event's fields that carry sealed content."""
    fields = ((name, field.annotation) for name, field in event.model_fields.items())
    return frozenset(name for name, kind in fields if Sealed in (kind, *get_args(kind)))
