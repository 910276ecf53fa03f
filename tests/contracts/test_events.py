"""The events' contracts: frozen, compatible, free of personal data, consumed by whom they say."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args
from uuid import UUID

import jsonschema
import pytest
from pydantic import BaseModel, create_model

from cli.restoring import stored
from contracts import events
from contracts.asyncapi import all_subscriptions
from libs.common.events import event_classes, producer_of
from libs.common.events.base import Code, Event, Sealed
from libs.common.privacy.annotations import nested_model

CONTRACTS = Path(events.__file__).parent
CLASSES = [event for event in event_classes() if event.__module__.startswith("libs.common.events")]


@pytest.mark.parametrize("event", CLASSES, ids=lambda event: event.type_name())
def test_the_frozen_example_is_read_by_the_class_and_fits_the_frozen_schema(event: type[Event]) -> None:
    name = f"{event.topic}.v{event.version}.json"
    schema = json.loads((CONTRACTS / "events" / name).read_text())
    example = json.loads((CONTRACTS / "events" / "examples" / name).read_text())
    jsonschema.validate(example, schema)
    assert json.loads(event.model_validate(example).model_dump_json()) == example


@pytest.mark.parametrize("event", CLASSES, ids=lambda event: event.type_name())
def test_the_class_breaks_no_reader_of_the_frozen_schema(event: type[Event]) -> None:
    frozen = json.loads((CONTRACTS / "events" / f"{event.topic}.v{event.version}.json").read_text())
    assert events.incompatible(frozen, events.schema(event)) == []


@pytest.mark.parametrize("event", CLASSES, ids=lambda event: event.type_name())
def test_no_field_of_an_event_can_carry_what_a_person_typed(event: type[Event]) -> None:
    for path, schema in _texts(event.model_json_schema()):
        opaque = {"format", "enum", "const"} & schema.keys() or schema.get("pattern") in events.OPAQUE
        assert opaque, f"{event.type_name()}: {path} is free text"


def _texts(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every place of a JSON Schema that takes a string, values of open objects included."""
    if isinstance(schema, list):
        for inner in schema:
            yield from _texts(inner, path)
    elif isinstance(schema, dict):
        if schema.get("type") == "string":
            yield path, schema
        for key, inner in schema.items():
            if key not in {"enum", "required", "description", "title", "examples", "default"}:
                yield from _texts(inner, f"{path}.{key}")


def test_free_text_in_an_event_is_seen() -> None:
    leaky = create_model("Leaky", user_id=(UUID, ...), note=(str, ...))
    texts = [schema for _, schema in _texts(leaky.model_json_schema())]
    assert any("pattern" not in schema and "format" not in schema for schema in texts)


FROZEN = {
    "properties": {"user_id": {"type": "string", "format": "uuid"}, "credits": {"type": "integer"}},
    "required": ["user_id"],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"properties": {"user_id": FROZEN["properties"]["user_id"]}}, "credits is gone"),  # type: ignore[index]
        ({"properties": FROZEN["properties"] | {"credits": {"type": "string"}}}, "credits changed its shape"),  # type: ignore[operator]
        ({"required": ["user_id", "credits"]}, "credits became required"),
    ],
)
def test_a_breaking_change_is_named(change: dict[str, Any], said: str) -> None:
    assert events.incompatible(FROZEN, FROZEN | change) == [said]


def test_a_new_optional_field_breaks_nobody() -> None:
    wider = FROZEN | {"properties": FROZEN["properties"] | {"hint": {"type": "integer"}}}  # type: ignore[operator]
    assert events.incompatible(FROZEN, wider) == []


@pytest.mark.parametrize("event", CLASSES, ids=lambda event: event.type_name())
def test_the_docstring_names_exactly_the_groups_that_consume(event: type[Event]) -> None:
    said = re.search(r"Consumers:(.*?)(?:\n\n|\Z)", event.__doc__ or "", re.DOTALL)
    assert said, f"{event.__name__} does not say who consumes it"
    consuming = {s.group for s in all_subscriptions() if event in s.events}
    named = set(re.findall(r"\b(?:auth|gallery|generation|billing|privacy)\.[a-z-]+", said[1]))
    if every := re.search(r"<every service>\.([a-z-]+)", said[1]):
        named = {
            f"{service}.{every[1]}" for service in ("auth", "gallery", "generation", "billing", "privacy")
        }
    assert named == consuming


def test_a_group_is_named_for_its_service_and_handles_one_thing() -> None:
    groups = [subscription.group for subscription in all_subscriptions()]
    assert len(groups) == len(set(groups))
    assert all(re.fullmatch(r"(auth|gallery|generation|billing|privacy)\.[a-z-]+", group) for group in groups)


def test_a_restore_puts_back_every_group_that_consumes() -> None:
    put_back = {group.name: set(group.handlers) for group in stored().groups}
    assert put_back == {each.group: set(each.events) for each in all_subscriptions()}


def test_every_topic_is_named_subject_dot_past_verb() -> None:
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+(ed|en|dy)", event.topic) for event in CLASSES)
    assert {producer_of(event) for event in CLASSES} == {
        "auth",
        "gallery",
        "generation",
        "billing",
        "privacy",
    }


def test_a_code_takes_no_free_text() -> None:
    class Holder(BaseModel):
        word: Code

    pattern = get_args(Code)[1].pattern
    assert nested_model(Annotated[Holder, "x"]) is None
    for typed in ("ada@example.org", "A picture of me", "x" * 65, "größe", ""):
        assert not re.fullmatch(pattern, typed)


def test_what_is_not_sealed_does_not_pass_for_it() -> None:
    pattern = get_args(Sealed)[1].pattern
    words = "A good caption that somebody wrote of the sea at dusk, long enough to be sealed, and yet plain to read"
    plain = base64.b64encode(words.encode()).decode()
    for typed in ("", "Ada", words, words.replace(" ", ""), plain, f"A{plain}", events.OPAQUE[pattern][:100]):
        assert not re.fullmatch(pattern, typed)
    assert re.fullmatch(pattern, events.OPAQUE[pattern])
