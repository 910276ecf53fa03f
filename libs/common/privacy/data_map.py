"""The data map: what personal data is where, why, for how long, and how it goes; made from the declarations alone.

Source:   GDPR Art. 30(1), the record of processing activities.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from libs.common.bus.topics import kept
from libs.common.events import event_classes, producer_of
from libs.common.events.base import Event
from libs.common.privacy.annotations import Personal, personal_fields
from libs.common.privacy.holdings import (
    CollectionHolding,
    Holdings,
    KeysHolding,
    ObjectsHolding,
    ProofHolding,
    Pseudonymise,
    topics_of,
)
from libs.common.privacy.tombstones import Tombstone

Record = dict[str, Any]

OBJECTS_FIELD = Personal("user.content")
PERSONS_KEY = "user_id"
DESTROY = "destroy"
KEY_NAME = "keyAltNames"


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
        "holdings": [record for holdings in services for record in _holdings(holdings)],
        "kept_by_every_service": [_tombstones()],
        "kept_as_proof": [_proof(holdings, held) for holdings in services for held in holdings.proofs],
        "events": [_event(event) for event in event_classes()],
        "about_nobody": {
            holdings.service: sorted(document.collection for document in holdings.about_nobody)
            for holdings in services
        },
        "scan": [target._asdict() for target in scan_map(services)],
    }


def markdown(record: Record) -> str:
    """Return the map as a page for people."""
    lines = [
        "# Data map",
        "",
        "Made from the declarations in the code by `make contracts`; not edited by hand.",
    ]
    for holding in [*record["holdings"], *record["kept_by_every_service"]]:
        lines += [
            "",
            f"## {holding['holding']}",
            "",
            f"{holding['kind']} {holding['where']}. {holding['erasure']}",
            "",
        ]
        lines += _table(
            ("field", "category", "purpose", "basis", "kept", "at erasure"),
            [tuple(field.values()) for field in holding["fields"]],
        )
    lines += [
        "",
        "## Kept as proof",
        "",
        "An erasure leaves these: keyed pseudonyms, nothing that says who.",
        "",
    ]
    lines += _table(
        ("where", "what", "ground", "kept"), [tuple(each.values()) for each in record["kept_as_proof"]]
    )
    lines += ["", "## Events", "", "Events carry opaque ids, and what only their person's key opens.", ""]
    lines += _table(
        ("event", "producer", "key", "kept", "fields"),
        [
            (each["event"], each["producer"], each["key"], each["kept"], ", ".join(each["fields"]))
            for each in record["events"]
        ],
    )
    lines += ["", "## About nobody", ""]
    lines += [
        f"- {service}: {', '.join(names) or 'none'}" for service, names in record["about_nobody"].items()
    ]
    return "\n".join(lines) + "\n"


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


def _collection(holdings: Holdings, held: CollectionHolding) -> Record:
    where = f"{holdings.service}.{held.document.collection}, found by `{held.subject}`"
    fields = [_field(path, mark, _fate(held, path)) for path, mark in held.personal.items()]
    return _record(
        holdings.name_of(held),
        "collection",
        holdings.service,
        erasure=_erasure(held),
        where=where,
        fields=fields,
    )


def _objects(holdings: Holdings, held: ObjectsHolding) -> Record:
    where = f"{held.bucket}, under the person's locator"
    fields = [_field("(the object)", OBJECTS_FIELD, "deleted")]
    erasure = "Every version and delete marker is deleted."
    return _record(
        holdings.name_of(held), "objects", holdings.service, where=where, erasure=erasure, fields=fields
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


def _tombstones() -> Record:
    fields = [_field(path, mark, "kept") for path, mark in personal_fields(Tombstone).items()]
    erasure = "Kept: the opaque id alone, so that what was erased stays erased."
    where = f"{Tombstone.collection}, in every service's database"
    return _record(
        Tombstone.collection, "collection", "every service", where=where, erasure=erasure, fields=fields
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


def _field(path: str, mark: Personal, fate: str) -> Record:
    return {
        "field": path,
        "category": mark.category,
        "purpose": mark.purpose.value,
        "basis": mark.basis.value,
        "kept": mark.retention.name,
        "at_erasure": fate,
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


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
