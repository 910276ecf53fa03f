"""The versions of the privacy policy and the terms, as their files in `texts/` have them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from libs.common.events.base import Code
from services.privacy.policies.reading import PolicyUnreadable, Section, sections

DocumentName = Literal["policy", "terms"]
Language = Literal["en", "de", "ru"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
ORIGINAL: Language = "en"
"""The language that counts where a translation says something else."""

FOLDER = Path(__file__).parent / "texts"
FENCE = "---\n"


class Front(BaseModel):
    """What a version's file says of itself. Args: significant: people are told, and asked to accept it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: DocumentName
    version: Code
    date: date
    language: Language
    significant: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A version in one language. Args: body: its Markdown; source: the whole file, front matter included."""

    front: Front
    body: str
    source: str

    @property
    def sections(self) -> tuple[Section, ...]:
        """Return what it says, in its order."""
        return sections(self.body)

    @property
    def sentences(self) -> Iterator[tuple[str, str]]:
        """Yield every sentence with the heading that it is below; a list entry's label goes before its sentences."""
        for section in self.sections:
            for paragraph in section.paragraphs:
                for sentence in filter(None, (paragraph.label, *paragraph.sentences)):
                    yield section.heading, sentence


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a document in all its languages."""

    document: DocumentName
    version: str
    date: date
    significant: bool
    texts: Mapping[Language, Text]

    @property
    def id(self) -> str:
        """Return its name among the versions of all documents."""
        return f"{self.document}:{self.version}"


@cache
def versions(folder: Path = FOLDER) -> tuple[Version, ...]:
    """Return every version that there is a file of, by document and then by date.

    Raises:   PolicyUnreadable: naming the file; or a version lacks a language, or its files do not agree.
    """
    texts = [_read(path) for path in sorted(folder.glob("*/*.md"))]
    named = sorted(texts, key=lambda text: (text.front.document, text.front.date, text.front.version))
    grouped = groupby(named, key=lambda text: (text.front.document, text.front.version))
    return tuple(_version(list(group)) for _, group in grouped)


def current_text(document: DocumentName = "policy", language: Language = ORIGINAL) -> Text:
    """Return the newest version that there is a file of, published or not."""
    newest = max(
        (each for each in versions() if each.document == document), key=attrgetter("date", "version")
    )
    return newest.texts[language]


def parse(text: str) -> Text:
    """Return what a version's file says. Raises PolicyUnreadable."""
    before, _, rest = text.partition(FENCE)
    front, fence, body = rest.partition(FENCE)
    if before or not fence:
        raise PolicyUnreadable("it begins with front matter between two lines of `---`")
    try:
        return Text(Front.model_validate(yaml.safe_load(front)), body, source=text)
    except (yaml.YAMLError, ValidationError) as error:
        raise PolicyUnreadable(f"its front matter: {error}") from error


def _read(path: Path) -> Text:
    try:
        text = parse(path.read_text(encoding="utf-8"))
        sections(text.body)
    except PolicyUnreadable as error:
        raise PolicyUnreadable(f"{path.name}: {error}") from error
    named = f"{text.front.document}/{text.front.version}.{text.front.language}.md"
    if not path.as_posix().endswith(named):
        raise PolicyUnreadable(f"{path.name}: its front matter says {named}")
    return text


def _version(texts: list[Text]) -> Version:
    first = texts[0].front
    told = {(text.front.date, text.front.significant) for text in texts}
    languages = {text.front.language: text for text in texts}
    if len(told) > 1 or set(languages) != set(LANGUAGES):
        raise PolicyUnreadable(
            f"{first.document} {first.version}: there is one file for each of {', '.join(LANGUAGES)}, with one date, "
            f"and all of them are significant or none is"
        )
    return Version(first.document, first.version, first.date, first.significant, MappingProxyType(languages))
