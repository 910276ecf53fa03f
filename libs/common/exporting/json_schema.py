"""The JSON Schema of a holding's rows as they are exported, made from the fields' own declarations."""

from typing import Any

from libs.common.privacy.annotations import Personal
from libs.common.privacy.exported import exported_fields, withheld
from libs.common.privacy.holdings import CollectionHolding

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def schema_of(holding: CollectionHolding, name: str) -> Schema:
    """Return the schema of a file with rows of a holding. Nothing is required: not every row has everything.

    Args:     name: the holding's, as inventories have it.
    """
    made = holding.document.model_json_schema(by_alias=True, mode="serialization")
    fields = exported_fields(holding)
    item = {
        "type": "object",
        "properties": {
            path: _described(schema, path, holding)
            for path, schema in made["properties"].items()
            if path in fields
        },
        "additionalProperties": False,
    }
    return {
        "$schema": DRAFT,
        "title": name,
        "description": (holding.document.__doc__ or "").strip().partition("\n")[0],
        "type": "array",
        "items": item,
        "$defs": {each: _loosened(schema) for each, schema in made.get("$defs", {}).items()},
    }


def _described(schema: Schema, path: str, holding: CollectionHolding) -> Schema:
    """Return a field's schema with what the field says of itself; what is withheld is a fixed text."""
    marks = [mark for each, mark in holding.personal.items() if each.partition(".")[0] == path]
    instead = next(filter(None, map(withheld, marks)), None)
    shape = {"const": instead} if instead else {k: v for k, v in schema.items() if k != "default"}
    said = [_said(mark) for mark in dict.fromkeys(marks)]
    return {"anyOf": [shape, {"type": "null"}], "description": "; ".join(said) or "operational"}


def _said(mark: Personal) -> str:
    return f"{mark.category} for {mark.purpose.value}, by {mark.basis.value}, kept: {mark.retention.name}"


def _loosened(schema: Schema) -> Schema:
    """Return a nested model's schema without what it requires: only its personal fields are exported."""
    return {key: value for key, value in schema.items() if key != "required"}


def categories_of(holding: CollectionHolding) -> dict[str, str]:
    """Return the categories of a holding's exported fields by path."""
    return {path: mark.category for path, mark in holding.personal.items()}
