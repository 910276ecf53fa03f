"""Nothing was given up on: without poison there is no dead letter."""

from collections.abc import Iterator

from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.truth import Truth


def dead_letters(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold the dead letters to be none."""
    for letter in truth.letters:
        yield Violation("dead letters", letter.event_id, f"{letter.topic} in {letter.group}: {letter.code}")


CHECKS = (dead_letters,)
