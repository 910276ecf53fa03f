"""What a person gets of a row that is about them: all that its model declares as personal, its key and its time."""

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from libs.common.collection import Row
from libs.common.privacy.annotations import Personal, declaration, nested_model
from libs.common.privacy.holdings import CollectionHolding

WITHHELD = "(a secret, kept unreadable)"
ANOTHERS = "(an address that may be somebody else's)"
KEY = "_id"


def exported_fields(holding: CollectionHolding) -> list[str]:
    """Return the stored fields that a person gets something of; what is in one may be sealed, and is read whole."""
    fields = [path.partition(".")[0] for path in holding.personal]
    return list(dict.fromkeys([*fields, *_always(holding)]))


def withheld(mark: Personal) -> str | None:
    """Return what a person gets instead of a field's value; None where they get the value."""
    if mark.is_secret:
        return WITHHELD
    return ANOTHERS if mark.anothers else None


def exported(holding: CollectionHolding, row: Row) -> Row:
    """Return what a person gets of a row; secrets by their presence alone."""
    bare = {name: row[name] for name in _always(holding) if name in row}
    return bare | _personal(holding.document, row)


def _always(holding: CollectionHolding) -> list[str]:
    made_at = holding.made_at
    return [KEY, made_at] if made_at in holding.document.model_fields else [KEY]


def _personal(model: type[BaseModel], row: Row) -> Row:
    found: Row = {}
    for name, field in model.model_fields.items():
        stored, mark = field.alias or name, declaration(field)
        if stored not in row:
            continue
        if isinstance(mark, Personal):
            value = row[stored]
            found[stored] = value if value is None else withheld(mark) or value
        elif mark is None and (nested := nested_model(field.annotation)):
            found[stored] = _opened(nested, row[stored], keyed=_is_keyed(field.annotation))
    return found


def _opened(model: type[BaseModel], value: Any, *, keyed: bool) -> Any:
    """Return the personal part of a nested model, or of each where there are many. Args: keyed: by keys of a dict."""
    if isinstance(value, list):
        return [_opened(model, each, keyed=keyed) for each in value]
    if not isinstance(value, dict):
        return value
    if keyed:
        return {key: _opened(model, each, keyed=False) for key, each in value.items()}
    return _personal(model, value)


def _is_keyed(annotation: Any) -> bool:
    """Tell whether an annotation is a dict of models, such as `dict[str, Model] | None`."""
    origin = get_origin(annotation)
    return origin is dict or (origin in (Union, UnionType) and any(map(_is_keyed, get_args(annotation))))
