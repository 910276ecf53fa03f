"""What is stored: a typed row that declares each of its fields."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from libs.common.privacy.annotations import require_declared, sealed_fields


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a collection: its keys in order, 1 or -1 each.

    Args:     expire_after: rows go this long after the first key's time; partial: a filter of which rows count.
    """

    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    expire_after: timedelta | None = None
    partial: dict[str, Any] | None = None


class Restored(StrEnum):
    """What a restore does with a collection (ADR 0025).

    AS_SAVED: it becomes what it was; KEPT: what is there stays, and the backup adds what is missing: for proof, which
    never goes backwards; FURTHEST: so too, and of a row that both have, the one with the higher `sequence` stays: for
    the ends of kept chains; ANEW: it is in no backup and begins empty: for what must not come to life again.
    """

    AS_SAVED = "as-saved"
    KEPT = "kept"
    FURTHEST = "furthest"
    ANEW = "anew"

    @property
    def keeps(self) -> bool:
        """Tell whether what is there stays."""
        return self in {Restored.KEPT, Restored.FURTHEST}


class Document(BaseModel):
    """A stored row. A subclass names its collection, and each of its fields says whether it is personal.

    The key is the field with the alias `_id`. An undeclared field raises when the class is made, so a service
    with one does not start.

    `sealed_for` is the field whose person's key seals what is sealed at rest.
    """

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    collection: ClassVar[str] = ""
    indexes: ClassVar[tuple[Index, ...]] = ()
    restored: ClassVar[Restored] = Restored.AS_SAVED
    sealed_for: ClassVar[str] = "user_id"

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        """Take what is meant for the checks below, which pydantic makes once the fields are there."""
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        """Refuse a silent field, a row without a home, and a seal that could not work.

        Args:     abstract: no row by itself: what several kinds of rows have in common.
        """
        if not cls.collection and not abstract:
            raise TypeError(f"{cls.__name__} names no collection")
        require_declared(cls)
        _require_sealable(cls)

    def to_mongo(self) -> dict[str, Any]:
        """Return the row as MongoDB stores it."""
        return self.model_dump(by_alias=True)

    @classmethod
    def from_mongo(cls, row: dict[str, Any]) -> Self:
        """Return the row as the service reads it."""
        return cls.model_validate(row)


def _require_sealable(model: type[Document]) -> None:
    """Refuse seals without an owner, inside of an index, or with a value for the erased that the field does not take.

    Raises:   TypeError: naming the field.
    """
    sealed = sealed_fields(model)
    stored = {field.alias or name: field for name, field in model.model_fields.items()}
    if sealed and model.sealed_for not in stored:
        raise TypeError(
            f"{model.__name__} is sealed at rest and has no {model.sealed_for}: say in `sealed_for` whose it is"
        )
    for name in (path.partition(".")[0] for index in model.indexes for path, _ in index.keys):
        if name in sealed:
            raise TypeError(f"{model.__name__}.{name} is sealed at rest: index a blind index instead")
    for name, mark in sealed.items():
        try:
            TypeAdapter[Any](stored[name].annotation or Any).validate_python(mark.erased)
        except ValidationError as error:
            raise TypeError(
                f"{model.__name__}.{name} does not take {mark.erased!r}: say what `erased` is"
            ) from error
