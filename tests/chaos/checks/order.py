"""Order per key held: what one person did one after the other was published in that order, in one partition."""

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.history import Operation, Record
from tests.chaos.model import Violation
from tests.chaos.truth import Published, Truth

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
            done = [each for each in history.of(what) if each.who == person and each.ok]
            known = [(each, first[fact]) for each in done if (fact := _fact(each, field)) in first]
            for (earlier, before), (later, after) in pairwise(
                sorted(known, key=lambda pair: pair[0].invoked)
            ):
                if earlier.returned < later.invoked and before.offset > after.offset:
                    told = f"{topic} {before.get(field)} came before {after.get(field)}"
                    yield Violation("real time", before.key, f"{told}, and is published behind it")


CHECKS = (places, real_time)


def _fact(operation: Operation, field: str) -> str:
    return operation.got.get(field) or operation.given.get(field, "")
