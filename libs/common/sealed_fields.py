"""Fields that are sealed at rest: what of a stored row is sealed when it is written and opened when it is read.

A query cannot look into what is sealed; whoever writes one that tries is told so at once (ADR 0035).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from bson import Binary

from libs.common.document import Document
from libs.common.errors import PixeraError
from libs.common.privacy.annotations import sealed_fields

CIPHERTEXT = 6
"""Source: client-side encryption, BSON binary subtype 6."""
WRITING = frozenset({"$set", "$setOnInsert"})
REMOVING = frozenset({"$unset"})
PRESENCE = (None, {"$ne": None}, {"$exists": True}, {"$exists": False})
"""What may be asked of a sealed field: whether there is something."""
Row = dict[str, Any]


class Seals(Protocol):
    """Seals and opens values of people, many in one hop to a thread: `libs.common.sealing.Sealing`."""

    async def seal_each(self, values: Sequence[tuple[UUID, Any]]) -> list[bytes]:
        """Seal values of people. Raises SubjectErased."""
        ...

    async def open_each(self, sealed: Sequence[tuple[UUID, bytes]]) -> list[Any]:
        """Open values of people; None for each whose key is destroyed."""
        ...


class NotSealed(PixeraError):
    """A value lies in plain text where the model says that it is sealed: somebody wrote it past the model."""

    code, title = "not-sealed", "What is to be sealed is stored in plain text"


class SealedFields:
    """The fields of one class that are sealed at rest, with the key of the person that a row is about."""

    def __init__(self, document: type[Document], seals: Seals | None) -> None:
        self._marks, self._owner = sealed_fields(document), document.sealed_for
        self._document, self._given = document, seals

    async def sealed(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows as they are stored. Raises SubjectErased (410)."""
        return await self._seal([(row[self._owner], row) for row in rows])

    async def sealed_change(self, query: Mapping[str, Any], change: Any) -> Any:
        """Return a change of one person's rows as it is stored. Raises SubjectErased (410)."""
        if not isinstance(change, Mapping):
            self._require_none_in(name for stage in change for name in _named_by(stage))
            return change
        self._require_none_in(
            name for operator in change.keys() - WRITING - REMOVING for name in change[operator]
        )
        self._require_none_in(name for fields in change.values() for name in fields if "." in name)
        if not any(self._held(change[operator]) for operator in WRITING & change.keys()):
            return change
        owner = self._owner_in(query)
        operators = [operator for operator in change if operator in WRITING]
        values = await self._seal([(owner, change[operator]) for operator in operators])
        return {**change, **dict(zip(operators, values, strict=True))}

    async def opened(self, rows: Sequence[Row]) -> list[Row]:
        """Open rows as they are stored, in place and in one hop; what nobody can open any more reads as erased."""
        places = [(row, name) for row in rows for name in self._held(row)]
        if places:
            sealed = [(row[self._owner], self._ciphertext(row, name)) for row, name in places]
            values = await self._seals.open_each(sealed)
            for (row, name), value in zip(places, values, strict=True):
                row[name] = self._marks[name].erased if value is None else value
        return list(rows)

    def check(self, query: Mapping[str, Any], sort: Iterable[tuple[str, int]] = ()) -> None:
        """Refuse a query by what is sealed. Whether there is something, can be asked.

        Raises:   TypeError: naming the field.
        """
        self._require_none_in(name for name, _ in sort)
        for name, value in query.items():
            if name in {"$or", "$and", "$nor"}:
                for each in value:
                    self.check(each)
            elif value not in PRESENCE:
                self._require_none_in([name])

    def with_owner(self, projection: Mapping[str, Any] | None) -> tuple[Mapping[str, Any] | None, bool]:
        """Return a projection that names the owner where it has to, and whether it was made to."""
        if not projection or self._owner == "_id" or self._owner in projection:
            return projection, False
        if not any(projection.get(name) for name in self._marks):
            return projection, False
        return {**projection, self._owner: 1}, True

    def without_owner(self, rows: Sequence[Row]) -> list[Row]:
        """Take the owner out of rows again."""
        for row in rows:
            row.pop(self._owner, None)
        return list(rows)

    @property
    def _seals(self) -> Seals:
        if self._given is None:
            raise TypeError(
                f"{self._document.__name__} is sealed at rest: PIXERA_VAULT_MASTER_KEY is not set"
            )
        return self._given

    async def _seal(self, rows: Sequence[tuple[UUID, Mapping[str, Any]]]) -> list[Row]:
        stored = [dict(row) for _, row in rows]
        places = [(row, name) for row in stored for name in self._held(row)]
        owned = [
            (owner, row[name])
            for (owner, _), row in zip(rows, stored, strict=True)
            for name in self._held(row)
        ]
        values = await self._seals.seal_each(owned) if owned else []
        for (row, name), value in zip(places, values, strict=True):
            row[name] = Binary(value, CIPHERTEXT)
        return stored

    def _held(self, row: Mapping[str, Any]) -> list[str]:
        return [name for name in self._marks if row.get(name) is not None]

    def _ciphertext(self, row: Row, name: str) -> bytes:
        value = row[name]
        if isinstance(value, Binary) and value.subtype == CIPHERTEXT:
            return value
        raise NotSealed(f"{self._document.collection}.{name}")

    def _owner_in(self, query: Mapping[str, Any]) -> UUID:
        owner = query.get(self._owner)
        if isinstance(owner, UUID):
            return owner
        raise TypeError(
            f"{self._document.__name__}: name {self._owner} in the query, whose key it is sealed with"
        )

    def _require_none_in(self, paths: Iterable[str]) -> None:
        for path in paths:
            if path.partition(".")[0] in self._marks:
                raise TypeError(
                    f"{self._document.__name__}.{path} is sealed at rest: look for its blind index"
                )


def _named_by(stage: Mapping[str, Any]) -> Iterable[str]:
    """Return the fields that a stage of an update's pipeline writes."""
    return [name for operator, fields in stage.items() if operator != "$unset" for name in fields]
