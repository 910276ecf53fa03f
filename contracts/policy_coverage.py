"""The policy, sentence by sentence: where in the product each is true, and what is not there yet.

The rows are written beside the policy's text, one a sentence; here they are held against the text and the code.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from contracts import references
from contracts.references import ROOT, path_of_code, path_of_test
from libs.common.privacy.data_map_page import table
from services.privacy.policies.texts import FOLDER, Text, current_text

PAGE = ROOT / "docs" / "policy-coverage.md"
NOT_YET = "**not yet**"

Kind = tuple[str, Callable[[str], bool]]
KINDS: tuple[Kind, ...] = (
    ("code", references.is_code),
    ("tests", references.is_test),
    ("routes", references.is_route),
    ("commands", references.is_command),
)
"""What a row may refer to, and what tells whether it is there."""


class Row(BaseModel):
    """What is to be said of one sentence.

    Args:     how: it is true; not_yet: what of it is not, which makes it a promise; beyond: what is planned besides
              the sentence's words, and is not there yet; code: `module:name`; tests: node ids;
              routes: `METHOD /address`; commands: as they are typed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    section: str
    sentence: str
    how: str = ""
    not_yet: str = ""
    beyond: str = ""
    code: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def about(self) -> tuple[str, str]:
        """Return the sentence with its heading: a few words may stand below two."""
        return self.section, self.sentence

    @property
    def is_held(self) -> bool:
        """Tell whether the sentence is true as it stands."""
        return not self.not_yet


def rows_path(text: Text) -> Path:
    """Return the file with the rows of a policy's version."""
    return FOLDER / text.front.document / f"{text.front.version}.coverage.yml"


def rows(text: Text) -> list[Row]:
    """Return what is written of a policy's version. Raises ValidationError: a row is not what a row may be."""
    written = yaml.safe_load(rows_path(text).read_text(encoding="utf-8"))
    return TypeAdapter(list[Row]).validate_python(written)


def files() -> Iterator[tuple[Path, str]]:
    """Yield the page with the path it belongs at."""
    text = current_text()
    yield PAGE, markdown(text, rows(text))


def faults(text: Text, written: Sequence[Row]) -> list[str]:
    """Return the sentences without a row, the rows without a sentence, and what is referred to and is not there."""
    return [*_unmatched(text, written), *(fault for row in written for fault in _faults(row))]


def _unmatched(text: Text, written: Sequence[Row]) -> Iterator[str]:
    said, told = Counter(text.sentences), Counter(row.about for row in written)
    for section, sentence in said - told:
        yield f"no row for a sentence of `{section}`: {sentence}"
    for section, sentence in told - said:
        yield f"a row too many, for what `{section}` does not say: {sentence}"


def _faults(row: Row) -> Iterator[str]:
    if row.is_held and not (row.how and row.code and row.tests):
        yield f"held without saying how, by which code and which test: {row.sentence}"
    for kind, is_there in KINDS:
        for reference in getattr(row, kind):
            if not is_there(reference):
                yield f"there is no `{reference}` ({kind}): {row.sentence}"


def markdown(text: Text, written: Sequence[Row]) -> str:
    """Return the page: what it comes to, and a table for each of the policy's headings."""
    by_sentence = {row.about: row for row in written}
    lines = [*_head(text, written)]
    for section in dict.fromkeys(heading for heading, _ in text.sentences):
        found = [by_sentence.get(about) for about in text.sentences if about[0] == section]
        lines += ["", f"## {section}", "", *_table(row for row in found if row is not None)]
    return "\n".join(lines) + "\n"


def _head(text: Text, written: Sequence[Row]) -> Iterator[str]:
    held = [row for row in written if row.is_held]
    beyond = sum(1 for row in held if row.beyond)
    source = rows_path(text).relative_to(ROOT)
    yield from ("# Where each sentence of the policy is true", "")
    yield f"Made from [{source.name}](../{source}) by `make contracts`; not edited by hand. `make check` fails where"
    yield "a sentence has no row, and where a row names something that is not there. That the tests named here pass,"
    yield "`make test` says."
    yield ""
    count = len(list(text.sentences))
    yield f"The policy of {text.front.version} has {count} sentences, a list entry's label being one:"
    yield ""
    yield f"- **{len(held)} held**; for {beyond} of them more is planned than the sentence says"
    yield f"- **{len(written) - len(held)} not yet**: what is missing stands in the row"


def _table(of_section: Iterable[Row]) -> Iterator[str]:
    yield from table(
        ("sentence", "is it so", "where"), ((row.sentence, _state(row), _where(row)) for row in of_section)
    )


def _state(row: Row) -> str:
    held = [f"**held**: {row.how}" if row.is_held else row.how]
    lacking = [f"{NOT_YET}: {what}" for what in (row.not_yet, row.beyond) if what]
    return "<br>".join(filter(None, [*held, *lacking] if row.is_held else [*lacking, *held]))


def _where(row: Row) -> str:
    links = [f"[`{each}`](../{path_of_code(each)})" for each in row.code]
    links += [f"[`{each.partition('::')[2]}`](../{path_of_test(each)})" for each in row.tests]
    links += [f"`{each}`" for each in (*row.routes, *row.commands)]
    return "<br>".join(links) or "nowhere"
