"""What the policy calls what the data map has a code for, and whether the two contradict each other."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from libs.common.device_storage import ON_THE_DEVICE
from services.privacy.policies.texts import Language, Text

FILE = Path(__file__).with_name("words.yml")

Record = dict[str, Any]
Words = Mapping[str, Mapping[str, Any]]


class Untold(KeyError):
    """The data map has something that the page has no words for."""


@cache
def words(path: Path = FILE) -> Words:
    """Return what everything is called."""
    read: Words = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read


def said(part: str, code: str, language: Language) -> str:
    """Return what a code is called in a language. Raises Untold."""
    try:
        return str(words()[part][code][language])
    except KeyError as error:
        raise Untold(f"{part}: `{code}` has no words in {FILE.name}") from error


def contradictions(record: Record, text: Text, names: Words | None = None) -> list[str]:
    """Return where the data map and the English policy contradict each other.

    What is held has to be named by the policy, and what the page names has to be held.
    """
    names = names or words()
    policy = " ".join(sentence for pair in text.sentences for sentence in pair)
    found = []
    for part, codes in _used(record).items():
        found += [
            f"{part}: `{code}` is in no words of the policy" for code in sorted(codes - names[part].keys())
        ]
        found += [f"{part}: `{code}` is named and not there" for code in sorted(names[part].keys() - codes)]
        found += [f"{part}: the policy does not say {quote!r}" for quote in _unsaid(names[part], policy)]
    labels = {
        paragraph.label for section in text.sections for paragraph in section.paragraphs if paragraph.label
    }
    return found + list(_entries(names["categories"], _used(record)["categories"], labels))


def _used(record: Record) -> dict[str, set[str]]:
    """Return every code of the data map by the part of the words that it has to be in."""
    fields = [
        field
        for holding in (*record["holdings"], *record["kept_by_every_service"])
        for field in holding["fields"]
    ]
    columns = {"categories": "category", "purposes": "purpose", "bases": "basis", "periods": "kept"}
    used = {part: {field[column] for field in fields} for part, column in columns.items()}
    used["periods"] |= {each["kept"] for each in record["kept_as_proof"]}
    used["processors"] = {each["processor"] for each in record["processors"]}
    used["device"] = {each.about for each in ON_THE_DEVICE}
    return used


def _unsaid(entries: Mapping[str, Any], policy: str) -> Iterator[str]:
    yield from sorted({entry["said"] for entry in entries.values() if entry["said"] not in policy})


def _entries(categories: Mapping[str, Any], used: Iterable[str], labels: set[str]) -> Iterator[str]:
    """Yield entries of the policy below which nothing is held, and categories below no entry."""
    below = {categories[code]["below"] for code in used if code in categories}
    yield from (f"categories: the policy has no entry {label!r}" for label in sorted(below - labels))
    yield from (f"categories: nothing is held of {label!r}" for label in sorted(labels - below))
