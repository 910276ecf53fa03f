"""Where the scan looks: read from the generated data map, which comes from the declarations of all services."""

import json
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from pathlib import Path

from services.privacy.errors import DataMapMissing

MADE_FOR_THE_ID = frozenset({"outbox", "replays", "tombstones", "writes"})
"""Outbox rows, writes and replays have opaque ids on their way, gone once done;
a tombstone is the id itself, kept as proof."""

ABOUT_NOBODY = frozenset({"inbox", "item_holds", "leases", "rebuilds", "retention_sweeps"})
"""What every service's database has besides, without any id of a person."""

DESTROYED = "destroy"
"""How the data map says that rows are keys, which go by the name of the key and not by the person's id."""


class Sort(Enum):
    """What the declarations say of a collection."""

    OF_PEOPLE = auto()
    ABOUT_NOBODY = auto()
    KEYS = auto()
    MADE_FOR_THE_ID = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class ScanMap:
    """Where rows of people are declared to be, by (database, collection), and the paths of their subjects.

    Args:     items: what can be held by itself, and how people call it.
    """

    subjects: dict[tuple[str, str], tuple[str, ...]]
    about_nobody: frozenset[tuple[str, str]]
    keys: frozenset[tuple[str, str]]
    items: dict[str, str] = field(default_factory=dict)

    def sort_of(self, database: str, collection: str) -> Sort:
        """Return what is declared about a collection. Args: database: without the platform's prefix."""
        if collection in MADE_FOR_THE_ID:
            return Sort.MADE_FOR_THE_ID
        if (database, collection) in self.keys:
            return Sort.KEYS
        if (database, collection) in self.subjects:
            return Sort.OF_PEOPLE
        if collection in ABOUT_NOBODY or (database, collection) in self.about_nobody:
            return Sort.ABOUT_NOBODY
        return Sort.UNKNOWN


@cache
def load(path: Path) -> ScanMap:
    """Read the data map, once. Raises DataMapMissing (503): not there, or of another form."""
    try:
        record = json.loads(path.read_text())
        subjects: dict[tuple[str, str], tuple[str, ...]] = {}
        keys: set[tuple[str, str]] = set()
        for target in record["scan"]:
            key = (target["database"], target["collection"])
            if target["erase"] == DESTROYED:
                keys.add(key)
                continue
            subjects[key] = (*subjects.get(key, ()), target["subject"])
        nobody = {(service, name) for service, names in record["about_nobody"].items() for name in names}
        items = {item["holding"]: item["called"] for item in record.get("items", ())}
        return ScanMap(subjects, frozenset(nobody), frozenset(keys), items)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataMapMissing(f"{path.name} cannot be read: run `make contracts`") from error
