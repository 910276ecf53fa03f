"""Order per key held: what one person did was published, and taken in, in that order, in one partition."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.history import Operation, Record
from tests.chaos.model import Violation
from tests.chaos.standing import troubles
from tests.chaos.truth import SERVICES, Published, Truth

TOLD = {
    "upload": ("image.uploaded", "image_id"),
    "delete-image": ("image.deleted", "image_id"),
    "generate": ("generation.requested", "job_id"),
    "cancel": ("generation.failed", "job_id"),
}
"""Operations by the event that each leaves in the transaction that is acknowledged."""


def places(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold all events of a key to lie in one partition of their topic."""
    found: dict[tuple[str, str], int] = {}
    for event in truth.events:
        if found.setdefault((event.topic, event.key), event.partition) != event.partition:
            yield Violation("places", event.key, f"is in two partitions of {event.topic}")


def real_time(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold first publications to follow the operations: acknowledged before the next was begun, it comes first."""
    for what, (topic, field) in TOLD.items():
        first: dict[str, Published] = {}
        for event in truth.told(topic):
            first.setdefault(event.get(field), event)
        for person in history.people:
            spans = [span for span in _spans(history, person, what, field) if span.fact in first]
            for earlier, later in pairwise(sorted(spans, key=lambda span: span.begun)):
                before, after = first[earlier.fact], first[later.fact]
                if earlier.over < later.begun and before.offset > after.offset:
                    told = f"{topic} {earlier.fact} came before {later.fact}"
                    yield Violation("real time", before.key, f"{told}, and is published behind it")


def taken_in_order(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold each group to have taken a key's events in in the order in which they were first published.

    A key's next event is begun once the one before it has had its effect, also where another member goes on; a batch
    has one moment. A worker whose clock was wrong tells no order, nor does a key that waits behind a letter.
    """
    lanes: dict[tuple[str, str], list[Published]] = {}
    for event in truth.told(*truth.readers):
        lanes.setdefault((event.topic, event.key), []).append(event)
    untold = _with_a_wrong_clock(truth)
    for (topic, key), lane in lanes.items():
        for group in sorted(truth.readers[topic]):
            if group.partition(".")[0] in untold or _waits(truth, group, lane):
                continue
            done = [each for each in lane if f"{group}:{each.id}" in truth.taken]
            for before, after in pairwise(done):
                if truth.taken[f"{group}:{after.id}"] < truth.taken[f"{group}:{before.id}"]:
                    told = f"{group} took {topic} {after.id} in before {before.id}"
                    yield Violation("taken in order", key, told)


CHECKS = (places, real_time, taken_in_order)


def _with_a_wrong_clock(truth: Truth) -> set[str]:
    clocks = [each for each in troubles(truth.log) if each.kind == "clock"]
    return {service for service in SERVICES if any(each.concerns(f"{service}-worker") for each in clocks)}


def _waits(truth: Truth, group: str, lane: Sequence[Published]) -> bool:
    ids = {event.id for event in lane}
    return any(letter.group == group and letter.event_id in ids for letter in truth.letters)


@dataclass(frozen=True)
class _Span:
    """When something can have been done: from the first try until the first answer."""

    fact: str
    begun: float
    over: float


def _spans(history: Record, person: str, what: str, field: str) -> Iterator[_Span]:
    tries: dict[str, list[Operation]] = {}
    for operation in history.of(what):
        if operation.who == person and operation.possible:
            tries.setdefault(operation.given.get("key") or operation.given.get(field, ""), []).append(
                operation
            )
    for same in tries.values():
        if done := [each for each in same if each.ok]:
            fact = done[0].got.get(field) or done[0].given.get(field, "")
            yield _Span(fact, min(each.invoked for each in same), min(each.returned for each in done))
