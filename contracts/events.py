"""The events: a JSON Schema and an example each; within a version only optional fields may be added."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from libs.common.events import event_classes
from libs.common.events.base import Code, Event, Locator, ObjectName, Sealed

Json = dict[str, Any]

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OPAQUE = {
    get_args(Code)[1].pattern: "example",
    get_args(Locator)[1].pattern: "0123456789abcdef0123456789abcdef",
    get_args(ObjectName)[
        1
    ].pattern: "0123456789abcdef0123456789abcdef/01890000-0000-7000-8000-000000000009/0",
    get_args(Sealed)[1].pattern: base64.b64encode(b"\x02" + bytes(range(81))).decode(),
}
"""The only shapes of text that an event may carry, and an example of each."""


class PersonalDataInEvent(TypeError):
    """An event has a field that could carry what a person typed."""


def files() -> Iterator[tuple[Path, Json]]:
    """Yield each event's schema and example with the path they belong at."""
    for event in event_classes():
        name = f"{event.topic}.v{event.version}.json"
        yield Path("events") / name, schema(event)
        yield Path("events/examples") / name, json.loads(example(event).model_dump_json())


def schema(event: type[Event]) -> Json:
    """Return the JSON Schema of an event, as consumers may rely on it."""
    body = event.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:pixera:event:{event.type_name()}",
    } | body


def example(event: type[Event]) -> Event:
    """Return an event with invented values of the right shapes."""
    return event.model_validate(_sample_model(event))


def _sample_model(model: type[BaseModel]) -> Json:
    fields = enumerate(model.model_fields.items(), start=1)
    return {name: _sample(field.annotation, field, number) for number, (name, field) in fields}


def _sample(kind: Any, field: FieldInfo, number: int) -> Any:
    arguments = [inner for inner in get_args(kind) if inner is not type(None)]
    if get_origin(kind) is Literal:
        return arguments[0]
    if get_origin(kind) is list:
        return [_sample(arguments[0], field, number)]
    if arguments and not isinstance(kind, type):
        return _sample_annotated(arguments, field, number)
    return _sample_plain(kind, field, number)


def _sample_annotated(arguments: list[Any], field: FieldInfo, number: int) -> Any:
    for mark in arguments[1:]:
        if getattr(mark, "pattern", None) in OPAQUE:
            return OPAQUE[mark.pattern]
    return _sample(arguments[0], field, number)


def _sample_plain(kind: Any, field: FieldInfo, number: int) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _sample_model(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind)).value
    samples: dict[Any, Any] = {
        UUID: str(UUID(int=(0x018900000000700080000000 << 32) + number)),
        datetime: WHEN.isoformat(),
        date: WHEN.date().isoformat(),
        int: number,
        bool: True,
    }
    if kind in samples:
        return samples[kind]
    return OPAQUE[opaque_pattern(field)]


def opaque_pattern(field: FieldInfo) -> str:
    """Return the pattern that keeps a text field opaque. Raises PersonalDataInEvent where it has none."""
    for mark in _marks(field):
        if getattr(mark, "pattern", None) in OPAQUE:
            return str(mark.pattern)
    raise PersonalDataInEvent(
        "an event's text is a Code, a Locator, an ObjectName, Sealed, an Enum or a Literal, never free text"
    )


def _marks(field: FieldInfo) -> Iterator[Any]:
    for mark in field.metadata:
        yield mark
        yield from getattr(mark, "__dict__", {}).get("metadata", ())


def incompatible(frozen: Json, current: Json) -> list[str]:
    """Return what in `current` would break a consumer or a stored event of the `frozen` schema.

    A consumer of the old class must read new events, and the new class must read old events: so a field is never
    taken away, never changes its shape, and a new one is optional.
    """
    breaks = _field_breaks(frozen, current, "")
    for name, definition in frozen.get("$defs", {}).items():
        if name not in current.get("$defs", {}):
            breaks.append(f"{name} is gone")
        else:
            breaks += _field_breaks(definition, current["$defs"][name], f"{name}.")
    return breaks


def _field_breaks(frozen: Json, current: Json, where: str) -> list[str]:
    before, after = frozen.get("properties", {}), current.get("properties", {})
    breaks = [f"{where}{name} is gone" for name in before.keys() - after.keys()]
    breaks += [
        f"{where}{name} changed its shape"
        for name in before.keys() & after.keys()
        if _shape(before[name]) != _shape(after[name])
    ]
    newly_required = set(current.get("required", ())) - set(frozen.get("required", ()))
    return breaks + [f"{where}{name} became required" for name in newly_required]


def _shape(field: Json) -> Json:
    return {
        key: value
        for key, value in field.items()
        if key not in {"title", "description", "default", "examples"}
    }
