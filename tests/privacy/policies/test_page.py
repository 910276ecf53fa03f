"""The public policy page says what the policy and the data map say, and a contradiction between them is found."""

import base64
import copy
import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contracts.data_map import all_holdings
from libs.common.device_storage import ON_THE_DEVICE, Kept, Store
from libs.common.privacy.data_map import data_map
from libs.common.testing.serving import serving
from services.privacy.main import create_app
from services.privacy.policies.page import words as words_module
from services.privacy.policies.page.rendering import HOME, negotiated, render
from services.privacy.policies.page.words import Untold, contradictions, words
from services.privacy.policies.texts import LANGUAGES, Language, Text, current_text
from tests.privacy.conftest import privacy_settings, settings_with
from tests.privacy.holders import write_data_map
from tests.privacy.outline import Outline

__all__ = ["privacy_settings"]

TEXTS: dict[Language, Text] = {language: current_text("policy", language) for language in LANGUAGES}


@pytest.fixture
def record() -> dict[str, Any]:
    """The platform's data map as it is now."""
    made: dict[str, Any] = json.loads(json.dumps(data_map(all_holdings())))
    return made


def test_the_policy_and_what_is_held_do_not_contradict_each_other(record: dict[str, Any]) -> None:
    assert contradictions(record, TEXTS["en"]) == []


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        ({"category": "user.biometric"}, "categories: `user.biometric` is in no words of the policy"),
        ({"purpose": "advertising"}, "purposes: `advertising` is in no words"),
        ({"basis": "vital_interests"}, "bases: `vital_interests` is in no words"),
        ({"kept": "for ever"}, "periods: `for ever` is in no words"),
    ],
)
def test_a_field_that_the_policy_does_not_name_is_found(
    plant: dict[str, str], said: str, record: dict[str, Any]
) -> None:
    record["holdings"][0]["fields"][0] |= plant
    assert any(said in found for found in contradictions(record, TEXTS["en"]))


def test_a_recipient_and_a_cookie_that_nobody_named_are_found(
    record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    record["processors"].append({**record["processors"][0], "processor": "advertiser"})
    tracker = Kept("tracker", Store.COOKIE, "tracking", "who you are", "for ever")
    monkeypatch.setattr(words_module, "ON_THE_DEVICE", (*ON_THE_DEVICE, tracker))
    found = contradictions(record, TEXTS["en"])
    assert "processors: `advertiser` is in no words of the policy" in found
    assert "device: `tracking` is in no words of the policy" in found


@pytest.mark.parametrize(
    ("words_", "said"),
    [
        ("password hash", "the policy does not say 'password hash'"),
        ("the payment provider", "the policy does not say 'the payment provider'"),
        ("except where retention is required by law", "'except where retention is required by law'"),
        ("cookies/local storage for session", "does not say 'cookies/local storage for session'"),
    ],
)
def test_words_that_the_policy_lost_are_found(words_: str, said: str, record: dict[str, Any]) -> None:
    text = TEXTS["en"]
    shorter = Text(text.front, text.body.replace(words_, "…"), source="")
    assert any(said in found for found in contradictions(record, shorter))


def test_what_the_page_names_and_nobody_holds_is_found(record: dict[str, Any]) -> None:
    names = copy.deepcopy({part: dict(entries) for part, entries in words().items()})
    names["categories"]["user.location"] = names["categories"]["user.account"]
    found = contradictions(record, TEXTS["en"], names)
    assert found == ["categories: `user.location` is named and not there"]
    more = Text(
        TEXTS["en"].front,
        TEXTS["en"].body.replace("- **Account data**", "- **Location** Yes.\n- **Account data**"),
        source="",
    )
    assert contradictions(record, more) == ["categories: nothing is held of 'Location'"]


def test_a_code_without_words_is_not_shown_as_it_is(record: dict[str, Any]) -> None:
    record["holdings"][0]["fields"][0]["kept"] = "for ever"
    with pytest.raises(Untold, match="for ever"):
        render(TEXTS, "de", record, "2026-11-01")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_every_word_of_the_policy_and_of_the_map(
    language: Language, record: dict[str, Any]
) -> None:
    page = render(TEXTS, language, record, "2026-11-01").html
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.replace("&#34;", '"').replace("&#39;", "'")))
    for _, sentence in TEXTS[language].sentences:
        assert sentence in plain
    for part in ("categories", "purposes", "bases", "periods"):
        for code in words()[part]:
            assert words()[part][code][language] in plain, code
    for each in record["processors"]:
        named = words()["processors"][each["processor"]]
        assert named["title"][language] in plain
        assert words()["safeguards"][each["safeguard"]][language] in plain
        assert words()["at_erasure"][each["at_erasure"]][language] in plain
    assert all(each.name in plain for each in ON_THE_DEVICE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_nothing_else_and_is_accessible(language: Language, record: dict[str, Any]) -> None:
    page = render(TEXTS, language, record, "2026-11-01")
    outline = Outline(page.html)
    assert outline.inside == []
    assert not {"script", "img", "iframe", "form"} & outline.tags
    assert "style" not in outline.attributes
    assert all(ref.startswith(("#", "/privacy", "/contacts")) for ref in outline.refs)
    assert {ref[1:] for ref in outline.refs if ref.startswith("#")} <= set(outline.ids)
    assert len(set(outline.ids)) == len(outline.ids)
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(
        after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False)
    )
    assert f'<html lang="{language}">' in page.html
    assert page.html.count("<table>") == page.html.count("<caption") == 6
    assert not re.search(r"<th(?! scope=)[ >]", page.html)


def test_only_the_pages_own_styles_are_let_in(record: dict[str, Any]) -> None:
    page = render(TEXTS, "en", record, "2026-11-01")
    style = re.search(r"<style>(.*)</style>", page.html, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "url(" not in style[1]
    css = (HOME / "page.css").read_text()
    assert {"@media print", "prefers-color-scheme: dark", "prefers-reduced-motion"} <= set(
        re.findall(r"@media print|prefers-color-scheme: dark|prefers-reduced-motion", css)
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(scheme: str) -> None:
    """Contrast of at least 4.5. Source: WCAG 2.2, 1.4.3."""
    css = (HOME / "page.css").read_text()
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css.split("@media")[scheme == "dark"]))
    for ink, paper in (
        *(("ink", paper) for paper in ("page", "sheet", "tint")),
        *(("soft", paper) for paper in ("page", "sheet")),
        *(("accent", paper) for paper in ("sheet", "tint")),
        ("accent-ink", "accent"),
    ):
        assert contrast(colours[ink], colours[paper]) >= 4.5, (scheme, ink, paper)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [value / 255 for value in bytes.fromhex(colour[1:])]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("fr, ru;q=0.8, en;q=0.9", "en"),
        ("fr, ru;q=0.8", "ru"),
        ("*;q=0.1", "en"),
        ("de;q=nonsense", "de"),
        ("'; drop", "en"),
    ],
)
def test_the_language_is_the_one_that_is_liked_best(accepted: str, language: str) -> None:
    assert negotiated(accepted) == language


@pytest.fixture(scope="module")
async def site(
    privacy_settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Privacy's API with the platform's own data map."""
    path = write_data_map(tmp_path_factory.mktemp("page") / "data-map.json")
    settings = settings_with(privacy_settings, path)
    async with serving(create_app("api", settings)) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def test_anybody_reads_the_policy_in_force(site: httpx.AsyncClient) -> None:
    asked = await site.get("/privacy", headers={"accept-language": "ru,en;q=0.5"})
    assert asked.status_code == 200
    assert asked.headers["content-type"] == "text/html; charset=utf-8"
    assert (asked.headers["content-language"], asked.headers["vary"]) == ("ru", "Accept-Language")
    assert asked.headers["content-security-policy"].startswith("default-src 'none'")
    named = await site.get("/privacy/de")
    assert "Datenschutzerklärung" in named.text
    assert (await site.get("/privacy/fr")).status_code == 422
