"""The contact form's pages say everything in every language, and need nothing but what is in them."""

import base64
import hashlib
import json
import re
from typing import get_args
from uuid import UUID

import pytest

from libs.common.events.privacy import RequestOutcome
from libs.common.mailing.request_news import News, request_news
from services.privacy.policies.page.rendering import Page
from services.privacy.policies.texts import LANGUAGES, Language, current_text
from services.privacy.requests import state
from services.privacy.requests.intake import MOST_CHARACTERS
from services.privacy.requests.kinds import Kind
from services.privacy.requests.models import State
from services.privacy.requests.page import rendering
from services.privacy.requests.page.rendering import CONTACTS, REQUESTS, contacts, request, words
from services.privacy.requests.schemas import RequestIn
from tests.privacy.outline import Outline

CASE = UUID(int=42)
OUTCOMES = (state.CANCELLED, state.ANSWERED, state.REFUSED, state.LAPSED, state.JOINED, state.CONFIRMED)
SCRIPT = (rendering.HOME / "page.js").read_text()


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    """Each language."""
    chosen: Language = request.param
    return chosen


@pytest.fixture(params=["contacts", "request"])
def page(request: pytest.FixtureRequest, language: Language) -> Page:
    """Each page in it."""
    return contacts(language) if request.param == "contacts" else rendering.request(CASE, language)


def test_a_page_is_whole_and_lets_in_its_own_styles_and_script_alone(page: Page, language: Language) -> None:
    outline = Outline(page.html)
    assert outline.inside == []
    assert outline.headings[0] == 1
    assert len(outline.ids) == len(set(outline.ids))
    assert not {name for name in outline.attributes if name.startswith("on") or name == "style"}
    assert f'<html lang="{language}">' in page.html
    policy = page.headers["content-security-policy"]
    for tag in ("style", "script"):
        (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", page.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src 'self'" in policy


def test_there_are_words_for_every_kind_state_and_outcome(language: Language) -> None:
    said = words(language)
    assert said["kinds"].keys() == {kind.value for kind in Kind}
    assert said["states"].keys() == {each.value for each in State}
    assert said["outcomes"].keys() == {*OUTCOMES, *get_args(RequestOutcome), "other"}
    assert said["authors"].keys() == {"person", "staff"}


def test_the_script_says_nothing_that_there_are_no_words_for(language: Language) -> None:
    said = words(language)
    for part, code in re.findall(r"words\.(\w+)\.(\w+)", SCRIPT):
        assert said[part][code], f"{part}.{code}"


def test_the_form_offers_every_kind_and_sends_what_the_service_takes() -> None:
    html = contacts("en").html
    names = set(re.findall(r'<(?:input|textarea)[^>]* name="(\w+)"', html))
    assert names == {"kind", "for_another", "email", "message"}
    assert names <= RequestIn.model_fields.keys()
    assert set(re.findall(r'type="radio" name="kind" value="([\w-]+)"', html)) == {
        each.value for each in Kind
    }
    assert f'maxlength="{MOST_CHARACTERS}"' in html
    sent = re.search(r'call\("POST", API, \{(.*?)\n    \}\)', SCRIPT, re.DOTALL)
    assert sent is not None
    assert set(re.findall(r"(\w+): ", sent.group(1))) == {*names, "language", "altcha"}


def test_nothing_that_a_page_says_becomes_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {**words("en"), "page": {**words("en")["page"], "received": "</script><script>alert(1)</script>"}}
    monkeypatch.setattr(rendering, "words", lambda _: said)
    html = contacts("en").html
    assert "<script>alert" not in html
    (data,) = re.findall(r'type="application/json">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data)["page"]["received"] == said["page"]["received"]


def test_every_link_of_the_policy_leads_to_a_page(language: Language) -> None:
    links = [
        paragraph.link
        for section in current_text("policy", language).sections
        for paragraph in section.paragraphs
        if paragraph.link
    ]
    assert links
    assert set(links) == {CONTACTS}


def test_a_mailed_link_leads_to_the_page_of_the_request(language: Language) -> None:
    link = f"https://pixera.example{REQUESTS}/{CASE}#token"
    assert link in request_news(News.ANSWERED, language, request_id=CASE, link=link).text
    assert f'data-id="{CASE}"' in request(CASE, language).html
