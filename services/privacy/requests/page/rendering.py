"""The contact form's pages as HTML: each is one file, with the only styles and script that its own policy lets in."""

from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.privacy.policies.page import rendering as policy_page
from services.privacy.policies.page.rendering import NAMES, Page, content_policy
from services.privacy.policies.texts import LANGUAGES, Language
from services.privacy.requests.intake import MOST_CHARACTERS
from services.privacy.requests.kinds import Kind

HOME = Path(__file__).parent
CONTACTS, REQUESTS = "/contacts", "/requests"

pages = Environment(
    loader=FileSystemLoader(HOME),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def contacts(language: Language) -> Page:
    """Return the contact form."""
    return _page("contacts.html", language, CONTACTS, kinds=[kind.value for kind in Kind])


def request(request_id: UUID, language: Language) -> Page:
    """Return the page of a request: what it shows, it asks for with the token of a mailed link."""
    return _page("request.html", language, f"{REQUESTS}/{request_id}", request_id=request_id)


def words(language: Language) -> dict[str, dict[str, str]]:
    """Return what everything is called in a language, by part and code."""
    return {
        part: {code: str(said[language]) for code, said in entries.items()}
        for part, entries in _words().items()
    }


def _page(template: str, language: Language, here: str, **values: Any) -> Page:
    style, script, said = _style(), _read(HOME / "page.js"), words(language)
    html = pages.get_template(template).render(
        style=style,
        script=script,
        words=said,
        say=lambda part, code: said[part][code],
        language=language,
        languages=[(each, NAMES[each]) for each in LANGUAGES],
        here=here,
        most=MOST_CHARACTERS,
        **values,
    )
    headers = {"content-security-policy": content_policy(style, script), "content-language": language}
    return Page(html, headers)


@cache
def _style() -> str:
    """Return the styles of the policy page, and what forms need beside them."""
    return _read(policy_page.HOME / "page.css") + _read(HOME / "form.css")


@cache
def _words() -> dict[str, dict[str, Any]]:
    read: dict[str, dict[str, Any]] = yaml.safe_load(_read(HOME / "words.yml"))
    return read


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
