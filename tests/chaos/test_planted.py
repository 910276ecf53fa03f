"""The planted-defect check: what counts as seen, and what is said of it."""

from pathlib import Path

import pytest

from tests.chaos import planted
from tests.chaos.defects import DEFECTS
from tests.chaos.model import Violation
from tests.chaos.planted import Search, Sighting
from tests.chaos.wrongs import BROKEN


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_to_be_seen_by_promises_that_are_held(name: str) -> None:
    held = {Violation(promise, "", "").family for _, promises in BROKEN.values() for promise in promises}
    assert set(DEFECTS[name].breaks) <= held


def test_only_the_promises_that_a_defect_breaks_give_it_away() -> None:
    without_outbox = DEFECTS["publish-without-outbox"]
    others = [Violation("recovery", "not at rest", ""), Violation("write without its event: x", "1", "")]
    assert without_outbox.seen_in(others) == []
    told = [Violation("once: image.ready", str(number), "") for number in range(2)]
    assert without_outbox.seen_in([*others, *told]) == ["once"]


def test_the_table_says_what_was_seen_and_what_was_not(tmp_path: Path) -> None:
    file = tmp_path / "planted.md"
    found = Sighting("inbox-off", [1, 2], ["dead letters", "mails"], 61.2)
    planted.write("make chaos DEFECT=all", [found, Sighting("fence-off", [1], [], 40)], file)
    said = file.read_text()
    assert "| inbox-off | dead letters, mails | 2 | 2 | 61 s |" in said
    assert "| fence-off | nothing: not seen | — | 1 | 40 s |" in said
    assert said.startswith("`make chaos DEFECT=all` at ")


def test_seeds_are_those_in_which_there_is_something_to_see() -> None:
    without_fence = DEFECTS["fence-off"]
    assert without_fence.can_show_in(["look", "upload", "buy", "delete-account"])
    assert not without_fence.can_show_in(["delete-account", "upload"])
    chosen = [*Search("fence-off", 20, 6).seeds()]
    assert len(chosen) == 6
    assert 20 not in chosen  # nobody leaves in it
