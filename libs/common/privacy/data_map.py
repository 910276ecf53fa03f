"""The data map: what personal data is where, why, for how long, who gets it, and how it goes.

Made from the declarations alone; it is the record of processing activities.
Source:   GDPR Art. 30(1).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from libs.common.bus.topics import kept
from libs.common.document import Restored
from libs.common.events import event_classes, producer_of
from libs.common.events.base import Event
from libs.common.privacy.annotations import Personal, personal_fields
from libs.common.privacy.holdings import (
    CollectionHolding,
    Holdings,
    Item,
    KeysHolding,
    ObjectsHolding,
    ProofHolding,
    Pseudonymise,
    topics_of,
)
from libs.common.privacy.item_holds import ItemHold
from libs.common.privacy.processors import HOSTING, Processor
from libs.common.privacy.tombstones import Tombstone

Record = dict[str, Any]
Recipients = Callable[[str], list[str]]
"""Returns who gets a field, by its path, beside those who run the machines."""

PERSONS_KEY = "user_id"
DESTROY = "destroy"
KEY_NAME = "keyAltNames"

CONTROLLER = {
    "name": "Pixera",
    "contact": "the form on the Contacts page",
    "data_subjects": "people with an account, people who register or write to us, and operators",
    "security": "fields encrypted with a key per person, least privilege, audit ledger (docs/architecture.md)",
}
"""Source:   GDPR Art. 30(1)(a), (c), (g)."""


class ScanTarget(NamedTuple):
    """Where an independent scanner looks for a person's id, and what should have become of the rows there.

    Where `erase` is `destroy`, rows are keys, and the subject is the name of the person's key.
    """

    database: str
    collection: str
    subject: str
    erase: str


def scan_map(everyone: Sequence[Holdings]) -> list[ScanTarget]:
    """Return every place where rows of a person are declared to be; databases without their prefix."""
    rows = [
        ScanTarget(holdings.service, held.document.collection, held.subject, held.erase.kind)
        for holdings in everyone
        for held in holdings.collections
    ]
    keys = [held for holdings in everyone for held in holdings.keys]
    return rows + [ScanTarget(held.database, held.document.collection, KEY_NAME, DESTROY) for held in keys]


def data_map(everyone: Iterable[Holdings]) -> Record:
    """Return the whole map as plain data, in an order that changes only when the declarations do."""
    services = sorted(everyone, key=lambda holdings: holdings.service)
    return {
        "controller": CONTROLLER,
        "holdings": [record for holdings in services for record in _holdings(holdings)],
        "kept_by_every_service": [_tombstones(), _item_holds()],
        "kept_as_proof": [_proof(holdings, held) for holdings in services for held in holdings.proofs],
        "processors": _processors(services),
        "events": [_event(event) for event in event_classes()],
        "about_nobody": {
            holdings.service: sorted(document.collection for document in holdings.about_nobody)
            for holdings in services
        },
        "items": [_item(holdings, item) for holdings in services for item in holdings.items],
        "scan": [target._asdict() for target in scan_map(services)],
        "in_no_backup": {
            holdings.service: sorted(
                document.collection for document in holdings.documents if document.restored is Restored.ANEW
            )
            for holdings in services
        },
    }


def _holdings(holdings: Holdings) -> list[Record]:
    records = [_collection(holdings, held) for held in holdings.collections]
    records += [_objects(holdings, held) for held in holdings.objects]
    records += [_keys(holdings, held) for held in holdings.keys]
    for topic in (*holdings.topics, *topics_of(holdings.service)):
        erasure = f"Goes by itself: {topic.retention.name}."
        records.append(
            _record(topic.topic, "topic", holdings.service, where=topic.topic, erasure=erasure, fields=[])
        )
    return records


def _proof(holdings: Holdings, held: ProofHolding) -> Record:
    where = f"{holdings.service}.{held.document.collection}"
    return {"where": where, "what": held.what, "ground": held.ground, "kept": held.kept.name}


def _processors(services: Sequence[Holdings]) -> list[Record]:
    """Return every outside party with what it gets from all services together."""
    receives: dict[Processor, list[str]] = {HOSTING: ["everything, as it is stored"]}
    for holdings in services:
        for held in holdings.processors:
            places = [f"{holdings.service}.{place}" for place in held.receives]
            receives.setdefault(held.processor, []).extend(places)
    return [
        {
            "processor": each.name,
            "title": each.title,
            "task": each.task,
            "country": each.country,
            "transfer": each.is_transfer,
            "safeguard": each.safeguard.value,
            "receives": places,
            "at_erasure": each.at_erasure.value,
        }
        for each, places in sorted(receives.items(), key=lambda item: item[0].name)
    ]


def _collection(holdings: Holdings, held: CollectionHolding) -> Record:
    collection = held.document.collection
    recipients = _recipients(holdings, collection)
    marks = {path: _kept_as(held, mark) for path, mark in held.personal.items()}
    fields = [_field(path, mark, _fate(held, path), recipients(path)) for path, mark in marks.items()]
    return _record(
        holdings.name_of(held),
        "collection",
        holdings.service,
        erasure=_erasure(held),
        where=f"{holdings.service}.{collection}, found by `{held.subject}`",
        fields=fields,
    )


def _kept_as(held: CollectionHolding, mark: Personal) -> Personal:
    """Return what a field says of itself, where its holding does not say better why and how long it is kept."""
    return replace(mark, retention=held.kept or mark.retention, basis=held.basis or mark.basis)


def _recipients(holdings: Holdings, collection: str) -> Recipients:
    def of(path: str) -> list[str]:
        place = f"{collection}.{path}"
        return [held.processor.name for held in holdings.processors if place in held.receives]

    return of


def _objects(holdings: Holdings, held: ObjectsHolding) -> Record:
    recipients = [each.processor.name for each in holdings.processors if held.name in each.receives]
    return _record(
        holdings.name_of(held),
        "objects",
        holdings.service,
        where=f"{held.bucket}, under the person's locator",
        erasure="Every version and delete marker is deleted.",
        fields=[_field("(the object)", held.content, "deleted", recipients)],
    )


def _keys(holdings: Holdings, held: KeysHolding) -> Record:
    where = f"{held.database}.{held.document.collection}, found by a keyed hash of the person's id"
    fields = [_field(path, mark, "kept") for path, mark in personal_fields(held.document).items()]
    erasure = (
        "The key is destroyed after everything else: what it sealed is unreadable. "
        "The hash is kept, so that none is made again."
    )
    return _record(
        holdings.name_of(held), "keys", holdings.service, where=where, erasure=erasure, fields=fields
    )


def _item(holdings: Holdings, item: Item) -> Record:
    """Return what can be held by itself, as operators name it and as people are told."""
    return {"holding": holdings.name_of_item(item), "called": item.called}


def _tombstones() -> Record:
    fields = [_field(path, mark, "kept") for path, mark in personal_fields(Tombstone).items()]
    erasure = "Kept: the opaque id alone, so that what was erased stays erased."
    where = f"{Tombstone.collection}, in every service's database"
    return _record(
        Tombstone.collection, "collection", "every service", where=where, erasure=erasure, fields=fields
    )


def _item_holds() -> Record:
    fields = [_field(path, mark, "removed") for path, mark in personal_fields(ItemHold).items()]
    erasure = "An erasure waits for the end of the hold, with which the id goes."
    where = f"{ItemHold.collection}, in the database of every service with items that can be held"
    return _record(
        ItemHold.collection, "collection", "every service", where=where, erasure=erasure, fields=fields
    )


def _record(name: str, kind: str, service: str, *, where: str, erasure: str, fields: list[Record]) -> Record:
    return {
        "holding": name,
        "kind": kind,
        "service": service,
        "where": where,
        "erasure": erasure,
        "fields": fields,
    }


def _field(path: str, mark: Personal, fate: str, recipients: Sequence[str] = ()) -> Record:
    return {
        "field": path,
        "category": mark.category,
        "purpose": mark.purpose.value,
        "basis": mark.basis.value,
        "kept": mark.retention.name,
        "at_erasure": fate,
        "recipients": [HOSTING.name, *recipients],
    }


def _erasure(held: CollectionHolding) -> str:
    if isinstance(held.erase, Pseudonymise):
        return f"Rows are pseudonymised on the ground `{held.erase.ground}`, and go: {held.erase.keep_until.name}."
    return "Rows are deleted."


def _fate(held: CollectionHolding, path: str) -> str:
    if not isinstance(held.erase, Pseudonymise):
        return "deleted"
    if path == held.subject:
        return "replaced by a random id"
    return "removed" if held.erase.drops(path) else "kept under the random id"


def _event(event: type[Event]) -> Record:
    return {
        "event": event.type_name(),
        "producer": producer_of(event),
        "key": event.subject,
        "about_a_person": PERSONS_KEY in event.model_fields,
        "kept": f"{kept(event.topic).period.days} days",
        "fields": sorted(event.model_fields),
    }
