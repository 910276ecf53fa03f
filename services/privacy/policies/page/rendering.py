"""The policy page as HTML: one file that needs nothing else, with the only styles that its own policy lets in."""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.privacy.policies.page.tables import Table, tables
from services.privacy.policies.page.words import Record, said
from services.privacy.policies.reading import Section
from services.privacy.policies.texts import LANGUAGES, ORIGINAL, Language, Text

HOME = Path(__file__).parent
NAMES = {"en": "English", "de": "Deutsch", "ru": "Русский"}

pages = Environment(
    loader=FileSystemLoader(HOME),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page and the headers that it needs."""

    html: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page: what the policy says, and the tables below it."""

    anchor: str
    section: Section
    tables: tuple[Table, ...]


def render(texts: dict[Language, Text], language: Language, record: Record, published_on: str) -> Page:
    """Return the page of a published version in a language.

    Args:     texts: the version in all languages: the English headings name the places of the tables.
    Raises:   Untold: the data map has something that there are no words for.
    """
    style = (HOME / "page.css").read_text(encoding="utf-8")
    html = pages.get_template("page.html").render(
        style=style,
        language=language,
        languages=[(each, NAMES[each]) for each in LANGUAGES],
        front=texts[language].front,
        published_on=published_on,
        original=language == ORIGINAL,
        parts=_parts(texts, language, record),
        say=lambda code: said("page", code, language),
    )
    return Page(html, {"content-security-policy": content_policy(style), "content-language": language})


def negotiated(accepted: str) -> Language:
    """Return the language of ours that an Accept-Language header likes best. Source: RFC 9110 12.5.4."""
    wishes = []
    for wish in accepted.split(","):
        tag, _, weight = wish.strip().partition(";q=")
        quality = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 1.0
        wishes += [(quality, each) for each in LANGUAGES if tag.lower().split("-")[0] == each]
    return max(wishes, key=lambda wish: wish[0], default=(1.0, ORIGINAL))[1]


def content_policy(style: str, script: str = "") -> str:
    """Return a policy that lets in a page's own styles and script, and nothing else. Source: CSP Level 3."""
    own = f"; script-src '{_digest(script)}'; connect-src 'self'" if script else ""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'{own}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _parts(texts: dict[Language, Text], language: Language, record: Record) -> list[Part]:
    sections = texts[language].sections
    labels = [paragraph.label for section in sections for paragraph in section.paragraphs if paragraph.label]
    made = tables(record, language, labels)
    english = [section.heading for section in texts[ORIGINAL].sections]
    return [
        Part(_anchor(heading), section, tuple(made.get(heading, ())))
        for heading, section in zip(english, sections, strict=True)
    ]


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
