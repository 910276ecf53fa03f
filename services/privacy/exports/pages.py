"""The pages of an archive, in every language: they need nothing but the archive, and run no script."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.privacy.policies.page.rendering import NAMES
from services.privacy.policies.page.words import Untold, said
from services.privacy.policies.texts import LANGUAGES, ORIGINAL, Language

HOME = Path(__file__).parent / "page"
NOTHING = "\N{EN DASH}"
PICTURES = (".jpg", ".jpeg", ".png", ".webp")

templates = Environment(
    loader=FileSystemLoader(HOME),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

Page = tuple[str, bytes]
"""A path in the archive, and what is there."""


@dataclass(slots=True)
class Chapter:
    """A holding as the index lists it.

    Args:     images: whether it is files and not rows; count: of rows, or of what belongs together of files; shown: a
              few of the images, for the index.
    """

    holding: str
    images: bool
    count: int = 0
    pages: int = 0
    shown: list["Card"] = field(default_factory=list)

    @property
    def service(self) -> str:
        """Return whose holding it is."""
        return self.holding.partition(".")[0]

    @property
    def schema(self) -> str:
        """Return the path of what its rows are held to."""
        return f"data/{self._name}.schema.json"

    def data(self, number: int) -> str:
        """Return the path of a page's rows."""
        return f"data/{self._name}{'' if number == 1 else f'-{number}'}.json"

    def page(self, language: Language, number: int) -> str:
        """Return the path of a page to read."""
        return f"pages/{language}/{self._name}-{number}.html"

    @property
    def files(self) -> list[str]:
        """Return the paths of all its rows."""
        return [self.data(number + 1) for number in range(self.pages)]

    def readable(self, language: Language) -> list[str]:
        """Return the paths of all its pages to read."""
        return [self.page(language, number + 1) for number in range(self.pages)]

    @property
    def _name(self) -> str:
        """Return a name for files: with a colon, as labelled holdings have, some systems unpack nothing."""
        return self.holding.replace(":", "-")


@dataclass(slots=True)
class Card:
    """What belongs together of a file: an image and its smaller copies. Args: files: their paths in the archive."""

    name: str
    caption: str | None
    files: list[str] = field(default_factory=list)

    @property
    def shown(self) -> str | None:
        """Return the smallest picture that there is to show: its name says so."""
        pictures = [path for path in self.files if path.endswith(PICTURES)]
        small = [path for path in pictures if "/small." in path]
        return next(iter([*small, *pictures]), None)

    @property
    def full(self) -> str | None:
        """Return the picture that a click leads to."""
        return next((path for path in self.files if "/original." in path), self.shown)


@dataclass(frozen=True, slots=True)
class Pages:
    """Writes the pages of one archive."""

    made_at: datetime

    def index(self, chapters: Sequence[Chapter]) -> Iterator[Page]:
        """Yield the first page in every language; the original's is `index.html`."""
        for language in LANGUAGES:
            path = index_path(language)
            yield path, self._rendered("index.html", language, "", path, services=_by_service(chapters))

    def rows(
        self, chapter: Chapter, categories: dict[str, str], rows: Sequence[dict[str, Any]]
    ) -> Iterator[Page]:
        """Yield a page of rows in every language."""
        for language in LANGUAGES:
            labels = {path: _category(code, language) for path, code in categories.items()}
            shown = [
                [(labels.get(path, ""), path, text(value)) for path, value in _flat(row)] for row in rows
            ]
            path = chapter.page(language, chapter.pages)
            yield path, self._rendered("rows.html", language, "../../", path, chapter=chapter, rows=shown)

    def cards(self, chapter: Chapter, cards: Sequence[Card]) -> Iterator[Page]:
        """Yield a page of images in every language."""
        for language in LANGUAGES:
            path = chapter.page(language, chapter.pages)
            yield path, self._rendered("cards.html", language, "../../", path, chapter=chapter, cards=cards)

    def _rendered(self, name: str, language: Language, top: str, path: str, **what: Any) -> bytes:
        """Return a page. Args: top: the way from it to the archive's top; path: its own."""
        page = templates.get_template(name).render(
            language=language,
            languages=[(each, NAMES[each], _in(path, language, each)) for each in LANGUAGES],
            made_at=self.made_at.strftime("%Y-%m-%d %H:%M UTC"),
            say=lambda code: words()["page"][code][language],
            title_of=lambda service: words()["services"].get(service, {}).get(language, service),
            name_of=lambda holding: _name_of(holding, language),
            grouped=grouped,
            home=index_path(language),
            style=_style(),
            top=top,
            **what,
        )
        return page.encode()


def grouped(count: int) -> str:
    """Return a number with a thin space between its thousands, as every language reads it."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def index_path(language: Language) -> str:
    """Return the path of the first page in a language."""
    return "index.html" if language == ORIGINAL else f"index.{language}.html"


@cache
def words() -> dict[str, Any]:
    """Return what the pages say."""
    read: dict[str, Any] = yaml.safe_load((HOME / "words.yml").read_text(encoding="utf-8"))
    return read


def text(value: Any) -> str:
    """Return a value as people read it."""
    if value is None or value in ("", []):
        return NOTHING
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _name_of(holding: str, language: Language) -> str:
    """Return what people call a holding: by its whole name, or as every service has it."""
    names, everywhere = words()["holdings"], holding.partition(".")[2]
    called: dict[str, str] = names.get(holding) or names.get(everywhere) or {}
    return called.get(language, holding)


def _by_service(chapters: Sequence[Chapter]) -> list[tuple[str, list[Chapter]]]:
    """Return chapters by whose they are, in the order in which they came."""
    return [(service, list(each)) for service, each in groupby(chapters, attrgetter("service"))]


@cache
def _style() -> str:
    return (HOME / "page.css").read_text(encoding="utf-8")


def _category(code: str, language: Language) -> str:
    try:
        return said("categories", code, language)
    except Untold:  # a test holds the words to the data map; an archive is made all the same
        return code


def _in(path: str, language: Language, other: Language) -> str:
    """Return the path of the same page in another language."""
    if path == index_path(language):
        return index_path(other)
    return path.replace(f"pages/{language}/", f"pages/{other}/")


def _flat(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a row's values by dotted path; lists stay whole."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
