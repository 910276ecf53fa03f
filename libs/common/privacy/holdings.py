"""What a service holds of people, declared once in its `privacy.py`: everything else about privacy follows from it.

A holding says where data is, how its person is found, and what becomes of it. Which of its fields are personal
is said by the fields themselves; there is no second list anywhere.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import SecretStr

from libs.common.bus.letters.rows import DeadLetter, ParkedKey
from libs.common.bus.topics import OWN_RETENTION
from libs.common.document import Document, Index
from libs.common.events import event_classes, producer_of
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Basis, Personal, Retention, personal_fields
from libs.common.privacy.processors import Processor
from libs.common.vault.keys import DATABASE, DataKey

UNIQUE_ID = "user.unique_id"
LOCATOR_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Delete:
    """The rows go."""

    kind: Literal["delete"] = "delete"


@dataclass(frozen=True, slots=True)
class Pseudonymise:
    """The rows stay for a while on a legal ground, under a random id that leads nowhere.

    Args:     keep_until: from the row's making; ground: the law, as a code such as `tax-law`;
              drop: paths of the fields that go, all personal ones that the law does not ask for.
    """

    keep_until: Retention
    ground: str
    drop: tuple[str, ...] = ()
    kind: Literal["pseudonymise"] = "pseudonymise"

    def drops(self, path: str) -> bool:
        """Tell whether a field goes, by itself or with the part of the row that it is in."""
        return any(path == dropped or path.startswith(f"{dropped}.") for dropped in self.drop)


@dataclass(frozen=True, slots=True)
class CollectionHolding:
    """Rows about people in one collection.

    Args:     subject: path of the person's id in a row; made_at: path of the time a row's retention runs from;
              where: which rows are meant, if not all; label: tells two holdings of one collection apart;
              kept, basis: for how long and on what ground these rows are, where that is not for their fields to say.
    """

    document: type[Document]
    subject: str = "user_id"
    erase: Delete | Pseudonymise = Delete()
    made_at: str = "created_at"
    where: dict[str, Any] | None = None
    label: str = ""
    kept: Retention | None = None
    basis: Basis | None = None

    def of(self, user_id: UUID) -> dict[str, Any]:
        """Return the filter that finds a person's rows."""
        return {**(self.where or {}), self.subject: user_id}

    @property
    def personal(self) -> dict[str, Personal]:
        """Return the personal fields by path."""
        return personal_fields(self.document)

    @property
    def about(self) -> dict[str, Personal]:
        """Return the personal fields by path, the person's id aside."""
        return {path: mark for path, mark in self.personal.items() if path != self.subject}

    @property
    def row_retention(self) -> Retention | None:
        """Return what ends a row: the longest of its personal fields' times; None: no time ends it."""
        if self.kept is not None:
            return self.kept if self.kept.longest else None
        declared = [mark.retention for mark in (self.about or self.personal).values()]
        timed = [each for each in declared if each.longest is not None]
        return max(timed, key=_longest, default=None) if len(timed) == len(declared) else None

    @property
    def field_retentions(self) -> dict[str, Retention]:
        """Return the fields that go before their row does, and what ends each."""
        row = _longest(self.row_retention) if self.row_retention else timedelta.max
        declared = ((path, mark.retention) for path, mark in self.about.items())
        return {path: each for path, each in declared if each.longest is not None and each.longest < row}

    @property
    def expiry(self) -> tuple[Index, ...]:
        """Return the indexes by which the database itself removes rows at the time that they name."""
        return _expiring(self.document)


def _expiring(document: type[Document]) -> tuple[Index, ...]:
    return tuple(index for index in document.indexes if index.expire_after is not None)


def _longest(kept: Retention) -> timedelta:
    return kept.longest or timedelta.max


OF_THE_BUS = (CollectionHolding(DeadLetter, made_at="at"), CollectionHolding(ParkedKey, made_at="at"))
"""What every service has, whatever else it holds: letters of its dead events, and the keys that wait behind them."""


OBJECT = Personal("user.content")


@dataclass(frozen=True, slots=True)
class ObjectsHolding:
    """Objects of people: every one of a person's lies under the person's locator in the bucket.

    Args:     content: what they are, and for how long they are kept, whatever becomes of the rows that lead to them;
              described_by: the rows that they are of, whose keys come next in the objects' names; caption: the field
              there that says what one shows; exported: false for what is a copy of everything itself.
    """

    bucket: str
    name: str
    content: Personal = OBJECT
    described_by: CollectionHolding | None = None
    caption: str = "caption"
    exported: bool = True

    @property
    def kept(self) -> Retention:
        """Return how long an object is kept."""
        return self.content.retention


@dataclass(frozen=True, slots=True)
class KeysHolding:
    """The keys that everything sealed is read with, one a person, in a database apart (ADR 0026).

    A key goes when every other holding of its person is gone; with it goes what it sealed, wherever copies are.
    """

    database: str = DATABASE
    document: type[Document] = DataKey


Holding: TypeAlias = "CollectionHolding | ObjectsHolding | KeysHolding | ProcessorHolding"
"""What is inventoried and erased."""


@dataclass(frozen=True, slots=True)
class ProcessorHolding:
    """What an outside party gets from this service.

    Args:     receives: stored fields (`users.email`), or the names of holdings of objects; rows: those whose keys it
              knows, where it is asked to erase what it has under them.
    """

    processor: Processor
    receives: tuple[str, ...]
    rows: CollectionHolding | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """Something single that can be held while all around it is erased: a row by its key, and what belongs to it.

    Args:     called: what people read; where: which rows can be held, if not all; rows: other rows that belong to it,
              by the path of its key there; objects: what belongs to it in the object store.
    """

    document: type[Document]
    called: str
    subject: str = "user_id"
    where: dict[str, Any] | None = None
    rows: tuple[tuple[type[Document], str], ...] = ()
    objects: tuple["ItemObjects", ...] = ()


@dataclass(frozen=True, slots=True)
class ItemObjects:
    """The objects of an item. Args: under: where they are beneath the person's locator, `{item}` being its key."""

    holding: ObjectsHolding
    under: str = "{item}/"


@dataclass(frozen=True, slots=True)
class TopicHolding:
    """Events that carry a person's opaque id, gone when the topic's retention ends."""

    topic: str
    retention: Retention


@dataclass(frozen=True, slots=True)
class ProofHolding:
    """Rows that prove what was done, and that an erasure leaves as they are: keyed pseudonyms, nothing that says who.

    Args:     what: is in them; ground: why they stay, as a code; kept: for how long.
    """

    document: type[Document]
    what: str
    ground: str
    kept: Retention

    @property
    def expiry(self) -> tuple[Index, ...]:
        """Return the indexes by which the database itself removes rows at the time that they name."""
        return _expiring(self.document)


@dataclass(frozen=True)
class Holdings:
    """All that one service holds. `operational` names its documents that are about nobody."""

    service: str
    collections: tuple[CollectionHolding, ...] = ()
    objects: tuple[ObjectsHolding, ...] = ()
    keys: tuple[KeysHolding, ...] = ()
    topics: tuple[TopicHolding, ...] = ()
    proofs: tuple[ProofHolding, ...] = ()
    processors: tuple[ProcessorHolding, ...] = ()
    operational: tuple[type[Document], ...] = ()
    items: tuple[Item, ...] = ()

    def item(self, name: str) -> Item | None:
        """Return what can be held by a name such as `gallery.images`."""
        return next((each for each in self.items if self.name_of_item(each) == name), None)

    def name_of_item(self, item: Item) -> str:
        """Return the name that an item is held by."""
        return f"{self.service}.{item.document.collection}"

    def name_of(self, holding: "Holding | ProofHolding") -> str:
        """Return the holding's name, as inventories, certificates and metrics have it."""
        if isinstance(holding, KeysHolding):
            return f"{holding.database}.{holding.document.collection}"
        if isinstance(holding, ProcessorHolding):
            return f"{self.service}.{holding.processor.name}"
        if isinstance(holding, ObjectsHolding):
            return holding.name if "." in holding.name else f"{self.service}.{holding.name}"
        name = f"{self.service}.{holding.document.collection}"
        label = holding.label if isinstance(holding, CollectionHolding) else ""
        return f"{name}:{label}" if label else name

    @property
    def all(self) -> tuple[Holding, ...]:
        """Return every holding that is inventoried and erased."""
        return (*self.collections, *self.objects, *self.keys, *self.asked)

    @property
    def asked(self) -> tuple[ProcessorHolding, ...]:
        """Return the outside parties that are asked to erase what they have."""
        return tuple(held for held in self.processors if held.rows is not None)

    @property
    def about_nobody(self) -> tuple[type[Document], ...]:
        """Return the document classes whose rows hold no person's id."""
        return (*(held.document for held in self.proofs), *self.operational)

    @property
    def documents(self) -> tuple[type[Document], ...]:
        """Return every document class of the service, each once."""
        return tuple(dict.fromkeys([*(held.document for held in self.collections), *self.about_nobody]))

    def check(self, documents: Iterable[type[Document]] | None = None) -> None:
        """Refuse to start a service that stores something nobody answers for.

        Args:     documents: what the service stores; every Document class of `services/<service>/` if not given.
        Raises:   UndeclaredHolding: naming the document or the field, and what to write in `privacy.py`.
        """
        from libs.common.privacy.coverage import check  # noqa: PLC0415 - it reads the classes of this module

        check(self, self.stored_documents() if documents is None else documents)

    def stored_documents(self) -> list[type[Document]]:
        """Return every Document class that the service's modules define, and what the bus keeps for it."""
        home = f"services.{self.service}."
        apart = (
            f"{home}providers."  # another party's system, run here as a sandbox with a database of its own
        )
        own = [
            each
            for each in all_documents()
            if each.__module__.startswith(home) and not each.__module__.startswith(apart)
        ]
        return [*own, *(held.document for held in OF_THE_BUS)]

    async def undeclared_collections(self, mongo: Mongo) -> list[str]:
        """Return the collections that exist in the database and that nobody declared."""
        platform = {each.collection for each in all_documents() if each.__module__.startswith("libs.common.")}
        declared = platform | {document.collection for document in self.documents}
        return sorted(
            name
            for name in await mongo.collection_names()
            if name not in declared and not name.startswith("system.")
        )


def topics_of(service: str) -> tuple[TopicHolding, ...]:
    """Return the topics of a service's events about people that are kept for another time than most."""
    produced = sorted({event.topic for event in event_classes() if producer_of(event) == service})
    return tuple(
        TopicHolding(name, Retention(f"{kept.period.days} days: {kept.reason}", kept.period))
        for name in produced
        if (kept := OWN_RETENTION.get(name))
    )


class UndeclaredHolding(TypeError):
    """A service stores something that its `privacy.py` does not answer for."""


def all_documents() -> Iterator[type[Document]]:
    """Yield every Document class with rows that has been defined in this process."""
    found = list(Document.__subclasses__())
    for document in found:
        if document.collection:
            yield document
        found.extend(document.__subclasses__())


def locator(key: SecretStr, user_id: UUID) -> str:
    """Return the prefix that a person's objects lie under, the same in every service.

    Source:   HMAC-SHA256 (RFC 2104) under the pseudonym key: without the key it leads to nobody.
    """
    return hmac.new(key.get_secret_value().encode(), user_id.bytes, hashlib.sha256).hexdigest()[
        :LOCATOR_LENGTH
    ]
