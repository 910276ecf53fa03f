"""A killed erasure step goes on soon after its process is back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.standing import FOREVER, Trouble, downs, troubles
from tests.chaos.truth import Published, Truth

WITHIN_S = 10.0


@dataclass(frozen=True)
class Step:
    """What a holder was asked in a case, and when it answered first."""

    case_id: str
    holder: str
    what: str
    asked: datetime
    answered: datetime


@dataclass(frozen=True)
class Resumption:
    """A step that was open when its holder's worker died. Args: excused: another fault stood in its way."""

    step: Step
    after_s: float
    excused: bool


def resumptions(truth: Truth) -> list[Resumption]:
    """Return how each step that a death interrupted went on, measured from the worker's being back."""
    steps, trouble = list(_steps(truth)), troubles(truth.log)
    return [
        _resumed(step, down, trouble)
        for down in downs(truth.log)
        for step in steps
        if _interrupted(step, down)
    ]


def resumed(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every interrupted step to have gone on in time, where nothing else was wrong."""
    for found in resumptions(truth):
        if found.after_s > WITHIN_S and not found.excused:
            about = f"{found.step.case_id} {found.step.holder} {found.step.what}"
            yield Violation("resumed", about, f"{found.after_s:.1f} s after its process was back")


CHECKS = (resumed,)


def _steps(truth: Truth) -> Iterator[Step]:
    """Yield every question that a holder has answered: the inventory, and each attempt to erase."""
    for what in ("inventory", "erasure"):
        asked: dict[tuple[str, str], datetime] = {}
        for event in truth.told(f"{what}.requested"):
            asked.setdefault((event.get("case_id"), event.get("attempt")), event.time)
        answered: set[tuple[str, ...]] = set()
        for event in sorted(truth.told(f"{what}.completed"), key=lambda each: each.time):
            yield from _step(event, what, asked, answered)


def _step(
    event: Published, what: str, asked: dict[tuple[str, str], datetime], answered: set[tuple[str, ...]]
) -> Iterator[Step]:
    question = (event.get("case_id"), event.get("attempt"))
    key = (*question, event.get("holder"))
    if question in asked and key not in answered:
        answered.add(key)
        yield Step(question[0], event.get("holder"), what, asked[question], event.time)


def _interrupted(step: Step, down: Trouble) -> bool:
    is_own = down.name.startswith(f"{step.holder}-worker")
    return is_own and down.until != FOREVER and step.asked < down.since < step.answered


def _resumed(step: Step, down: Trouble, trouble: list[Trouble]) -> Resumption:
    after_s = max(0.0, (step.answered - down.until).total_seconds())
    others = (each for each in trouble if (each.name, each.since) != (down.name, down.since))
    return Resumption(step, after_s, any(each.felt(down.until, step.answered) for each in others))
