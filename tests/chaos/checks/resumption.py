"""A killed erasure step goes on soon after its process is back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.standing import AFTERMATH, FOREVER, Trouble, downs, troubles
from tests.chaos.truth import SERVICES, Published, Truth

WITHIN_S = 10.0
SERVERS = ("kafka", "mongod", "s3")


@dataclass(frozen=True)
class Step:
    """What a service had to do in a case: from when it could begin until it had told that it is done."""

    case_id: str
    service: str
    what: str
    asked: datetime
    done: datetime

    @property
    def worker(self) -> str:
        """Return the process that does it."""
        return f"{self.service}-worker"


@dataclass(frozen=True)
class Resumption:
    """A step that was open while its worker was down.

    Args: after_s: from the worker's being back, or from when the last other fault was felt no more; None where one
        stood in the way until the end, or a clock was wrong. hindered: there was another.
    """

    step: Step
    after_s: float | None
    hindered: bool


def resumptions(truth: Truth) -> list[Resumption]:
    """Return how each step that a worker's death interrupted went on, measured from the worker's being back."""
    steps, trouble = list(_steps(truth)), troubles(truth.log)
    return [
        _resumed(step, down, trouble)
        for down in downs(truth.log)
        for step in steps
        if _interrupted(step, down)
    ]


def resumed(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every interrupted step to have gone on in time, from when nothing was wrong any more."""
    for found in resumptions(truth):
        if found.after_s is not None and found.after_s > WITHIN_S:
            about = f"{found.step.case_id} {found.step.service} {found.step.what}"
            since = "all other faults were over" if found.hindered else "its process was back"
            yield Violation("resumed", about, f"{found.after_s:.1f} s after {since}")


CHECKS = (resumed,)


def _steps(truth: Truth) -> Iterator[Step]:
    """Yield every step that was done: of the holders, and of the case that asks them."""
    yield from _answers(truth)
    for case_id in truth.leaving.values():
        yield from _of_the_case(truth, case_id)


def _answers(truth: Truth) -> Iterator[Step]:
    """Yield every question that a holder has answered: the inventory, and each attempt to erase."""
    for what in ("inventory", "erasure"):
        asked: dict[Question, datetime] = {}
        for event in truth.told(f"{what}.requested"):
            for holder in event.body.get("holders") or SERVICES:
                asked.setdefault(_question(event, holder), event.time)
        for question, done in _first(truth, f"{what}.completed").items():
            if question in asked:
                case_id, _, holder = question
                yield Step(case_id, holder, what, asked[question], done)


def _of_the_case(truth: Truth, case_id: str) -> Iterator[Step]:
    """Yield the steps between the holders', which are privacy's: each begins with what was told last before it."""
    for what, (before, after) in OF_THE_CASE.items():
        done = min((each.time for each in _told(truth, after, case_id)), default=None)
        begun = [each.time for each in _told(truth, before, case_id) if done and each.time < done]
        if done and begun:
            yield Step(case_id, "privacy", what, max(begun), done)


OF_THE_CASE = {
    "opening": ("user.deleted", "inventory.requested"),
    "asking": ("inventory.completed", "erasure.requested"),
    "proving": ("erasure.completed", "erasure.verified"),
}
"""By step, the event that it waits for and the one that it ends with."""

Question = tuple[str, str, str]


def _question(event: Published, holder: str) -> Question:
    return event.get("case_id"), event.get("attempt"), holder


def _first(truth: Truth, topic: str) -> dict[Question, datetime]:
    """Return when each question was answered first."""
    found: dict[Question, datetime] = {}
    for event in sorted(truth.told(topic), key=lambda each: each.time):
        found.setdefault(_question(event, event.get("holder")), event.time)
    return found


def _told(truth: Truth, topic: str, case_id: str) -> Iterator[Published]:
    return (each for each in truth.told(topic) if each.get("case_id") == case_id)


def _interrupted(step: Step, down: Trouble) -> bool:
    """Tell whether the step was open while its worker was down."""
    is_own = down.name.startswith(step.worker)
    return is_own and down.until != FOREVER and step.asked < down.until and down.since < step.done


def _resumed(step: Step, down: Trouble, trouble: list[Trouble]) -> Resumption:
    others = (each for each in trouble if (each.name, each.since) != (down.name, down.since))
    hindered = [each for each in others if _hinders(each, step) and each.felt(down.until, step.done)]
    if any(each.kind == "clock" or each.until > step.done for each in hindered):
        return Resumption(step, None, hindered=True)
    free = max([down.until, *(each.until + AFTERMATH for each in hindered)])
    return Resumption(step, max(0.0, (step.done - free).total_seconds()), bool(hindered))


def _hinders(trouble: Trouble, step: Step) -> bool:
    """Tell whether a fault is on the way of a step, or made the clock wrong that says when it was asked for."""
    on_the_way = trouble.concerns(step.worker, f"{step.service}->", *SERVERS)
    return on_the_way or (trouble.kind == "clock" and trouble.concerns("privacy-worker"))
