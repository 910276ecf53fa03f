"""What a person typed, or is reached and known by, is sealed at rest everywhere, or it is said here why it is not."""

from collections.abc import Iterator

from contracts.data_map import all_holdings
from libs.common.document import Document
from libs.common.privacy.annotations import BlindIndex, Personal, personal_fields, sealed_fields

CONTENT = ("user.content", "user.contact", "user.device", "user.name", "user.account.username")
"""Categories of what says something of a person by itself. Source: fideslang."""

PLAIN = {
    "images_rebuilt.sealed_details": "sealed already, by the event that it came with",
    "images_rebuilt.sealed_placeholder": "sealed already, by the event that it came with",
    "images_rebuilt.sealed_caption": "sealed already, by the event that it came with",
    "staff.name": "an operator's, who is no data subject of an erasure and has no key (ADR 0022)",
    "staff.name_key": "as above",
}


def content() -> Iterator[tuple[type[Document], str, Personal]]:
    for holdings in all_holdings():
        for held in holdings.collections:
            for path, mark in personal_fields(held.document).items():
                if mark.category.startswith(CONTENT):
                    yield held.document, path, mark


def is_protected(document: type[Document], path: str) -> bool:
    """Tell whether a field, or the one that it is in, is sealed at rest or is a blind index."""
    top = path.partition(".")[0]
    stored = {field.alias or name: field for name, field in document.model_fields.items()}
    return top in sealed_fields(document) or any(
        isinstance(mark, BlindIndex) for mark in stored[top].metadata
    )


def test_content_is_sealed_at_rest_or_it_is_said_why_not() -> None:
    found = list(content())
    assert len(found) > 20
    plain = {
        f"{document.collection}.{path}" for document, path, _ in found if not is_protected(document, path)
    }
    assert plain == PLAIN.keys(), "seal it (docs/how-to/add-a-personal-field.md), or say here why not"
