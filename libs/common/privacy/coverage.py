"""The start-up check: every stored document is answered for, and every holding can do what it promises."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import get_args
from uuid import UUID

from pydantic.fields import FieldInfo

from libs.common.document import Document
from libs.common.privacy.annotations import Basis, Ends, Retention, personal_fields, walk_fields
from libs.common.privacy.holdings import (
    UNIQUE_ID,
    CollectionHolding,
    Holdings,
    Item,
    Pseudonymise,
    UndeclaredHolding,
)
from libs.common.privacy.processors import AtErasure
from libs.common.privacy.purposes import DECLARED


def check(holdings: Holdings, documents: Iterable[type[Document]]) -> None:
    """Raises: UndeclaredHolding, with every fault that was found, and what to write for each."""
    faults = [*_uncovered(holdings, documents), *_misplaced(holdings), *_clashes(holdings)]
    faults += _unknown_to_us(holdings)
    faults += [
        f"{holdings.name_of_item(item)}: {fault}"
        for item in holdings.items
        for fault in _item_faults(holdings, item)
    ]
    for holding in holdings.collections:
        faults += [f"{holdings.name_of(holding)}: {fault}" for fault in _faults(holding)]
    if faults:
        raise UndeclaredHolding(f"services/{holdings.service}/privacy.py:\n- " + "\n- ".join(faults))


def _uncovered(holdings: Holdings, documents: Iterable[type[Document]]) -> Iterator[str]:
    covered = set(holdings.documents)
    for document in documents:
        if document not in covered:
            yield (
                f"{document.__name__} (collection {document.collection}) is stored and not declared: add "
                f"CollectionHolding({document.__name__}), or put it in `operational` if it is about nobody"
            )


def _misplaced(holdings: Holdings) -> Iterator[str]:
    for document in holdings.about_nobody:
        if personal := sorted(personal_fields(document)):
            yield (
                f"{document.__name__} is said to be about nobody and has personal fields ({', '.join(personal)}): "
                f"declare CollectionHolding({document.__name__}) instead"
            )


def _clashes(holdings: Holdings) -> Iterator[str]:
    names = [holdings.name_of(holding) for holding in holdings.all]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two holdings are called {name}: give each a `label` or a name of its own"


def _unknown_to_us(holdings: Holdings) -> Iterator[str]:
    ours = {
        f"{held.document.collection}.{path}"
        for held in holdings.collections
        for path, _ in walk_fields(held.document)
    }
    ours |= {held.name for held in holdings.objects}
    for held in holdings.processors:
        if (held.processor.at_erasure is AtErasure.ASKED) != (held.rows is not None):
            yield f"{held.processor.name} is asked to erase exactly where `rows` says what it knows people by"
        for place in sorted(set(held.receives) - ours):
            yield f"{held.processor.name} is said to receive `{place}`: we store no such field or objects"


def _item_faults(holdings: Holdings, item: Item) -> Iterator[str]:
    """Name what would let a held item go all the same."""
    held = {each.document: each for each in holdings.collections}
    for document in (item.document, *(document for document, _ in item.rows)):
        if document not in held:
            yield f"{document.__name__} is in no holding: only what is erased can be held"
        elif held[document].expiry:
            yield f"the database itself removes rows of {document.__name__}, held or not: take the index away"
    if item.document.model_fields["id"].annotation is not UUID or item.subject == "_id":
        yield "an item has an opaque key of its own (UUID), which is not its person's id"
    for each in item.objects:
        if each.holding not in holdings.objects or not each.under.startswith("{item}/"):
            yield f"its objects in {each.holding.name} are in no holding of ours, or not under its key"


def _faults(holding: CollectionHolding) -> Iterator[str]:
    fields = dict(walk_fields(holding.document))
    yield from _subject_faults(holding)
    yield from _retention_faults(holding, fields)
    yield from _choice_faults(holding)
    if isinstance(holding.erase, Pseudonymise):
        yield from _pseudonym_faults(holding, holding.erase, fields)


def _subject_faults(holding: CollectionHolding) -> Iterator[str]:
    mark = holding.personal.get(holding.subject)
    if mark is None or mark.category != UNIQUE_ID:
        yield f"its subject `{holding.subject}` is no field that is declared SubjectId"
    leading = {index.keys[0][0] for index in holding.document.indexes if index.partial is None} | {"_id"}
    if holding.subject not in leading:
        yield f'no index starts with `{holding.subject}`: add Index((("{holding.subject}", 1),)) to the document'


def _retention_faults(holding: CollectionHolding, fields: dict[str, FieldInfo]) -> Iterator[str]:
    timed = holding.row_retention or holding.field_retentions or isinstance(holding.erase, Pseudonymise)
    if timed and not _is_time(fields.get(holding.made_at)):
        yield (
            f"its rows are kept for a time, and `{holding.made_at}` is no datetime field of them: name the time "
            f"they are kept from with made_at="
        )
    for path in holding.field_retentions:
        if fields[path].is_required():
            yield f"`{path}` goes before its row does: give the field a default, for rows that lost it"
    for path, kept in _kept(holding):
        if kept.ends is Ends.EXPIRY and not holding.expiry:
            yield f"`{path}` goes at a time that the row names: add an Index with expire_after to the document"
        if kept.ends is Ends.DONE:
            yield f"`{path}` is said to go when its work is done, which nobody enforces: say what ends it"


def _kept(holding: CollectionHolding) -> list[tuple[str, Retention]]:
    """Return what each personal field says of its end, and what the holding says of its rows'."""
    of_rows = [("kept", holding.kept)] if holding.kept else []
    return of_rows + [(path, mark.retention) for path, mark in holding.personal.items()]


def _choice_faults(holding: CollectionHolding) -> Iterator[str]:
    for path, mark in holding.about.items():
        if mark.basis is Basis.CONSENT and mark.chosen is None:
            yield f"`{path}` is kept by consent: name the purpose that is consented to with chosen="
        if mark.chosen and DECLARED[mark.chosen].basis is not mark.basis:
            yield f"`{path}` is kept for `{mark.chosen}`, whose basis is {DECLARED[mark.chosen].basis.value}"


def _pseudonym_faults(
    holding: CollectionHolding, erase: Pseudonymise, fields: dict[str, FieldInfo]
) -> Iterator[str]:
    if holding.subject == "_id":
        yield "rows whose key is the person cannot be pseudonymised: give them a key of their own"
    if erase.keep_until.longest is None:
        yield "what is kept on a legal ground is kept until a date: give keep_until a period"
    for path, mark in holding.about.items():
        if not erase.drops(path) and mark.basis is not Basis.LEGAL_OBLIGATION:
            yield f"`{path}` is personal and no law asks for it: add it to `drop`"
    for path, field in fields.items():
        if path in erase.drop and field.is_required():
            yield f"`{path}` is dropped: give the field a default, for rows that lost it"


def _is_time(field: FieldInfo | None) -> bool:
    return field is not None and datetime in (field.annotation, *get_args(field.annotation))
