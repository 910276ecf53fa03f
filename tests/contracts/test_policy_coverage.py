"""Each sentence of the policy has its row, and whatever a row names is there."""

import pytest

from contracts import policy_coverage
from contracts.policy_coverage import PAGE, Row, faults, markdown, rows
from contracts.references import is_code, is_test
from services.privacy.policies.texts import current_text

POLICY = current_text()
ROWS = rows(POLICY)


def planted(**changes: object) -> list[str]:
    """Return what is said of the rows when the first one of them is changed so."""
    return faults(POLICY, [ROWS[0].model_copy(update=changes), *ROWS[1:]])


def test_every_sentence_has_a_row_and_every_reference_leads_somewhere() -> None:
    assert faults(POLICY, ROWS) == []
    assert [row.about for row in ROWS] == list(POLICY.sentences)


@pytest.mark.parametrize(
    ("kind", "dead"),
    [
        ("code", "libs.common.nowhere:check"),
        ("code", "libs.common.privacy.coverage:chek"),
        ("code", "libs.common.privacy.coverage"),
        ("code", "services.auth.accounts:Accounts.erase_all"),
        ("tests", "tests/contracts/test_nowhere.py::test_something"),
        ("tests", "tests/contracts/test_canary.py::test_nothing_of_the_kind"),
        ("tests", "tests/contracts/test_canary.py::Copy"),
        ("tests", "libs/common/privacy/coverage.py::check"),
        ("routes", "POST /api/privacy/v1/contact"),
        ("routes", "DELETE /api/auth/v1/terms"),
        ("commands", "pixera forget"),
        ("commands", "pixera policy"),
    ],
)
def test_a_dead_reference_is_named_with_its_sentence(kind: str, dead: str) -> None:
    assert planted(**{kind: (*getattr(ROWS[0], kind), dead)}) == [
        f"there is no `{dead}` ({kind}): {ROWS[0].sentence}"
    ]


def test_methods_fields_and_constants_are_names_too() -> None:
    assert is_code("services.auth.accounts:Accounts.delete")
    assert is_code("services.auth.schemas:RegisterIn.is_adult")
    assert is_code("libs.common.privacy.annotations:Purpose.SERVICE")
    assert is_code("services.auth.routes:ROUTERS")
    assert is_test("tests/contracts/test_policy_coverage.py::test_methods_fields_and_constants_are_names_too")


def test_a_sentence_without_a_row_is_seen() -> None:
    assert faults(POLICY, ROWS[1:]) == [f"no row for a sentence of `{ROWS[0].section}`: {ROWS[0].sentence}"]


def test_a_sentence_that_the_policy_adds_is_seen() -> None:
    added = type(POLICY)(POLICY.front, f"{POLICY.body}\nWe sell nothing.\n", POLICY.source)
    assert faults(added, ROWS) == ["no row for a sentence of `Contacts`: We sell nothing."]


@pytest.mark.parametrize(
    "doubled", [ROWS[0], Row(section="Contacts", sentence="We sell nothing.", not_yet="so")]
)
def test_a_row_too_many_is_seen(doubled: Row) -> None:
    (fault,) = faults(POLICY, [*ROWS, doubled])
    assert fault == f"a row too many, for what `{doubled.section}` does not say: {doubled.sentence}"


@pytest.mark.parametrize("without", ["how", "code", "tests"])
def test_what_is_held_says_how_and_by_what(without: str) -> None:
    (fault,) = planted(**{without: "" if without == "how" else ()})
    assert fault.startswith("held without saying how")


def test_a_fault_fails_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    from contracts import __main__ as build  # noqa: PLC0415 - it is a program

    assert build.untrue() == []
    monkeypatch.setattr(policy_coverage, "rows", lambda _: ROWS[1:])
    assert build.untrue() == [f"no row for a sentence of `{ROWS[0].section}`: {ROWS[0].sentence}"]


def test_the_page_counts_what_is_held_and_what_is_not_yet() -> None:
    page = markdown(POLICY, ROWS)
    assert page == PAGE.read_text()
    late = [row for row in ROWS if row.not_yet]
    assert f"**{len(ROWS) - len(late)} held**" in page
    assert f"**{len(late)} not yet**" in page
    assert page.count("| **held**: ") == len(ROWS) - len(late)
    assert page.count("| **not yet**: ") == len(late)
