"""Every erasure ended VERIFIED with a certificate, and nothing of the person is anywhere that it does not name."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product

from libs.common.events.base import REGISTRY
from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.standing import Trouble, troubles
from tests.chaos.truth import GALLERY, GENERATED, SERVICES, Truth

KEPT_BY = {GALLERY: "gallery", GENERATED: "generation", "vault.keys": "privacy"}
"""Who erases what is in no database of its own."""
GRACE = timedelta(seconds=1)
"""How long a transaction may take that looked for the tombstone before it was written; it is swept after that."""

SLOWED = {"freeze", "slow", "full-disk"}
"""Faults that can hold up such a transaction for longer; none outlives a lost connection, or the database's end."""

LIFETIME = timedelta(seconds=7.5)
"""How long it can be held up: MongoDB gives up what is older than 5 s, and looks for such every 2.5 s."""

FENCED = frozenset(topic for (topic, _), event in REGISTRY.items() if event.fenced)


def verified(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every case to be VERIFIED, and every service to remember whom it erased."""
    cases, papers = truth.by_id("privacy.cases"), truth.by_id("privacy.certificates")
    for user_id, case_id in truth.leaving.items():
        phase = cases[case_id]["phase"] if case_id in cases else "absent"
        if phase != "VERIFIED":
            yield Violation("verified", case_id, f"is {phase}")
        elif case_id not in papers:
            yield Violation("verified", case_id, "has no certificate")
        for service in SERVICES:
            tombstone = truth.by_id(f"{service}.tombstones").get(user_id)
            if tombstone is None or tombstone["completed_at"] is None:
                yield Violation("verified", case_id, f"{service} has no completed tombstone")


def chain(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold the certificates to verify, one after the other."""
    if truth.chain_broken:
        yield Violation("chain", "certificates", truth.chain_broken)


def traces(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold the scanner to find nothing that the certificates do not account for."""
    for stray in truth.strays:
        yield Violation("traces", "an erased person", stray)


def acknowledgements(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold a holder that says it has erased to have nothing of the person any more."""
    done = {(each.get("user_id"), each.get("holder")) for each in truth.told("erasure.completed")}
    for user_id in truth.leaving:
        for service, where, number in _left(truth, user_id):
            said = "said it has erased" if (user_id, service) in done else "has not erased"
            yield Violation("acknowledgements", user_id, f"{service} {said}; {where} has {number}")


def fence(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold a service to do nothing more for a person whom it has erased: no effect, and no event of its own."""
    over = _over(truth)
    for event in truth.told(*FENCED):
        moments = {(event.service, f"published {event.topic}"): event.time}
        for group in truth.readers.get(event.topic, ()):
            if at := truth.taken.get(f"{group}:{event.id}"):
                moments[group.partition(".")[0], f"took {event.topic} in as {group}"] = at
        for (service, what), moment in moments.items():
            end = over.get((event.get("user_id"), service))
            if end and _is_late(truth, service, end, moment):
                late = (moment - end).total_seconds()
                yield Violation(
                    "fence", event.get("user_id"), f"{service} {what} {late:.1f} s after its erasure"
                )


def old_tokens(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold the platform to take no write from anybody whose erasure is VERIFIED."""
    gone = {each.get("user_id"): each.time for each in truth.told("erasure.verified")}
    for operation in history.of("old-token"):
        verified_at = gone.get(history.people[operation.who].user_id)
        if verified_at and operation.ok and operation.at > verified_at:
            yield Violation("old tokens", history.people[operation.who].user_id, "wrote after VERIFIED")


CHECKS = (verified, chain, traces, acknowledgements, fence, old_tokens)


def _left(truth: Truth, user_id: str) -> Iterator[tuple[str, str, int]]:
    """Yield holder, place and number of what is left of a person."""
    for name, path in truth.holdings.items():
        if number := sum(str(row[path]) == user_id for row in truth.of(name)):
            yield KEPT_BY.get(name, name.partition(".")[0]), name, number
    prefix = truth.locators.get(user_id, user_id)
    for bucket in (GALLERY, GENERATED):
        if number := sum(name.startswith(f"{prefix}/") for name in truth.objects.get(bucket, ())):
            yield KEPT_BY[bucket], bucket, number


def _over(truth: Truth) -> dict[tuple[str, str], datetime]:
    """Return when each holder first said that it has erased a person."""
    found: dict[tuple[str, str], datetime] = {}
    for event in truth.told("erasure.completed"):
        key = (event.get("user_id"), event.get("holder"))
        found[key] = min(event.time, found.get(key, event.time))
    return found


def _is_late(truth: Truth, service: str, end: datetime, moment: datetime) -> bool:
    """Tell whether a service did something behind an erasure of its own, whichever of its clocks stamped the two."""
    clocks = [each for each in troubles(truth.log) if each.kind == "clock" and each.concerns(f"{service}-")]
    return all(
        at > over + GRACE and not _held_up(truth, service, over, at)
        for over, at in product(_meant(clocks, end), _meant(clocks, moment))
    )


def _meant(clocks: Sequence[Trouble], stamped: datetime) -> list[datetime]:
    """Return when that can have been which is stamped so: then, or while a clock was off by the difference."""
    undone = ((each, stamped - each.offset) for each in clocks)
    return [stamped, *(at for each, at in undone if each.felt(at, at + GRACE, GRACE))]


def _held_up(truth: Truth, service: str, since: datetime, until: datetime) -> bool:
    """Tell whether a fault can have kept a transaction of the service open for so long."""
    found = troubles(truth.log)
    own = ("mongod", f"{service}-api", f"{service}-worker", f"{service}->mongod")
    near = (each for each in found if each.felt(since, until, GRACE))
    slowed = [each for each in near if each.kind in SLOWED and each.concerns(*own)]
    # A transaction grows no older for a database that stands still.
    counts_from = max([since, *(each.until for each in slowed if each.concerns("mongod"))])
    return bool(slowed) and until <= counts_from + LIFETIME
