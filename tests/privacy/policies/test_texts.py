"""The versions' files: what they say, in every language alike, and the policy as its owner wrote it."""

import re
from pathlib import Path

import pytest

from services.privacy.policies.reading import PolicyUnreadable, as_html, sections, sentences_of
from services.privacy.policies.texts import LANGUAGES, Text, Version, parse, versions

GIVEN = (Path(__file__).parent / "as-it-was-given.txt").read_text()
FIRST = "2026-11-01"
FRONT = '---\ndocument: terms\nversion: "1"\ndate: 2026-01-01\nlanguage: en\nsignificant: true\n---\n'


def the_policy() -> Text:
    (first,) = (each for each in versions() if each.id == f"policy:{FIRST}")
    return first.texts["en"]


def letters(text: str) -> str:
    """A text without what a web page's copy lost or added: spaces, line ends and the list's dashes."""
    return re.sub(r"\s+|^-$", "", text, flags=re.MULTILINE)


def test_the_first_policy_is_the_owners_word_for_word() -> None:
    said = []
    for section in the_policy().sections:
        said.append("" if section.level == 1 else section.heading)
        said += [text for each in section.paragraphs for text in (each.label, *each.sentences)]
    assert letters("".join(said)) == letters(GIVEN)


def test_a_sentence_is_found_below_its_heading() -> None:
    found = list(the_policy().sentences)
    assert (
        "Retention periods",
        "You may request deletion of your account and data at any time, "
        "except where retention is required by law.",
    ) in found
    assert ("What data we collect", "Payment metadata") in found
    assert ("Personalization", "Interface language, theme, preferences.") in found
    assert ("Minors", "The service is intended for users 18+.") in found
    assert len(found) == 31


@pytest.mark.parametrize("version", versions(), ids=lambda version: version.id)
def test_every_language_says_as_much_as_the_others(version: Version) -> None:
    shapes = {
        language: [
            (
                section.level,
                [(bool(each.label), len(each.sentences), each.link) for each in section.paragraphs],
            )
            for section in version.texts[language].sections
        ]
        for language in LANGUAGES
    }
    assert shapes["de"] == shapes["ru"] == shapes["en"]


def test_sentences_end_where_the_next_one_begins() -> None:
    assert sentences_of('Users 18+. "Yes" (e.g., this one). Так. Да? „Ja“. 5 more.') == (
        "Users 18+.",
        '"Yes" (e.g., this one).',
        "Так.",
        "Да?",
        "„Ja“.",
        "5 more.",
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("No title.", "begins with its title"),
        ("## Too low\n\nText.", "begins with its title"),
        ("# Title\n\n![picture](x.png)", "image do not belong"),
        ("# Title\n\n```\ncode\n```", "`fence` does not belong"),
        ("", "begins with its title"),
    ],
)
def test_what_is_no_policy_is_refused_by_its_line(body: str, said: str) -> None:
    with pytest.raises(PolicyUnreadable, match=said):
        sections(body)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Title", "front matter between"),
        (FRONT.replace("terms", "licence"), "front matter: "),
        (FRONT.replace("significant: true", "significant: perhaps"), "front matter: "),
        (FRONT.replace("language: en\n", ""), "front matter: "),
        (FRONT.replace("2026-01-01", "[broken"), "front matter: "),
    ],
)
def test_a_file_without_proper_front_matter_is_refused(text: str, said: str) -> None:
    with pytest.raises(PolicyUnreadable, match=said):
        parse(text)


def test_html_in_a_policy_stays_text() -> None:
    assert "<script" not in as_html("# Title\n\n<script>alert(1)</script>")


def test_a_version_lacking_a_language_is_refused(tmp_path: Path) -> None:
    (tmp_path / "terms").mkdir()
    (tmp_path / "terms" / "1.en.md").write_text(FRONT + "# Terms\n\nText.\n")
    with pytest.raises(PolicyUnreadable, match="one file for each of en, de, ru"):
        versions(tmp_path)


def test_a_file_is_named_for_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "terms").mkdir()
    (tmp_path / "terms" / "2.en.md").write_text(FRONT + "# Terms\n\nText.\n")
    with pytest.raises(PolicyUnreadable, match=r"2\.en\.md: its front matter says terms/1\.en\.md"):
        versions(tmp_path)
