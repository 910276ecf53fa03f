"""Every event published had its business write, and every business write its event: one each, under one id."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.truth import Published, Row, Truth

Facts = Callable[[Truth], set[str]]


@dataclass(frozen=True)
class Pairing:
    """A class of events and the rows that it tells of.

    Args: field: of the event, that says of what it tells. must: what is stored and has to have been told.
        may: what else can have been told, such as what was deleted since. reason: of the event, where one topic
        tells of several things.
    """

    topic: str
    field: str
    must: Facts
    may: Facts = lambda _: set()
    reason: str = ""

    @property
    def name(self) -> str:
        """Return what a violation calls it."""
        return f"{self.topic}({self.reason})" if self.reason else self.topic

    def told(self, truth: Truth) -> list[Published]:
        """Return the events, each id once."""
        return [
            event for event in truth.told(self.topic) if not self.reason or event.get("reason") == self.reason
        ]


def pairs(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold events and writes to be there in pairs. What is about somebody who left can lack its write."""
    for pairing in PAIRINGS:
        must, allowed = pairing.must(truth), pairing.may(truth)
        told = pairing.told(truth)
        for fact, number in Counter(event.get(pairing.field) for event in told).items():
            if number > 1:
                yield Violation(f"once: {pairing.name}", fact, f"was told under {number} ids")
        for event in told:
            fact = event.get(pairing.field)
            if fact not in must | allowed and not truth.is_leaving(event.get("user_id")):
                yield Violation(f"event without its write: {pairing.name}", fact, f"event {event.id}")
        for fact in sorted(must - {event.get(pairing.field) for event in told}):
            yield Violation(f"write without its event: {pairing.name}", fact, "nothing was published")


def identities(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold one event id to mean one event, however often it was published."""
    first: dict[str, Published] = {}
    for event in truth.events:
        known = first.setdefault(event.id, event)
        if (known.topic, known.key, known.body) != (event.topic, event.key, event.body):
            yield Violation("identities", event.id, f"is two things: {known.topic} and {event.topic}")


def one_end(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold a job to have been completed or failed, never both, and as its row says."""
    completed = {event.get("job_id") for event in truth.told("generation.completed")}
    failed = {event.get("job_id") for event in truth.told("generation.failed")}
    for job_id in sorted(completed & failed):
        yield Violation("one end", job_id, "was told to be completed, and to have failed")


def captions_told(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold each caption to have been told: of an image as many as were acknowledged, and what was unknown at most."""
    told = Counter(event.get("image_id") for event in truth.told("image.captioned"))
    written = [each for each in history.of("caption") if each.possible]
    stays = {who for who, person in history.people.items() if not truth.is_leaving(person.user_id)}
    least = Counter(each.given["image_id"] for each in written if each.ok and each.who in stays)
    most = Counter(each.given["image_id"] for each in written)
    for image_id in sorted(told.keys() | least.keys()):
        found = f"{told[image_id]} told, {least[image_id]} to {most[image_id]} written"
        if told[image_id] < least[image_id]:
            yield Violation("write without its event: image.captioned", image_id, found)
        elif told[image_id] > most[image_id]:
            yield Violation("event without its write: image.captioned", image_id, found)


def _rows(name: str, wanted: Callable[[Row], bool] = lambda _: True, field: str = "_id") -> Facts:
    """Return the facts that rows of people who stay stand for."""

    def facts(truth: Truth) -> set[str]:
        rows = (row for row in truth.of(name) if wanted(row) and not truth.is_leaving(_owner(row)))
        return {str(row[field]) for row in rows if row.get(field) is not None}

    return facts


def _owner(row: Row) -> object:
    return row.get("user_id", row["_id"])


def _in(*states: str) -> Callable[[Row], bool]:
    return lambda row: row["state"] in states


def _entry(kind: str) -> Callable[[Row], bool]:
    return lambda row: row["kind"] == kind and row.get("retained_until") is None


def _told(topic: str, field: str) -> Facts:
    return lambda truth: {event.get(field) for event in truth.told(topic)}


def _leaving(truth: Truth) -> set[str]:
    return {str(row["_id"]) for row in truth.of("auth.users") if row["status"] == "deleted"}


def _gone_images(truth: Truth) -> set[str]:
    """Return the uploads that became an image which is gone again."""
    images = truth.by_id("gallery.images")
    completed = _rows("gallery.uploads", lambda row: bool(row["completed"]))(truth)
    hidden = {image_id for image_id, row in images.items() if row["state"] == "deleting"}
    return (completed - images.keys()) | hidden


def _images_that_went(truth: Truth) -> set[str]:
    """Return the images that were there once, and are not, or not for long."""
    kept = _rows("gallery.images", lambda row: row["state"] != "deleting")(truth)
    return _told("image.uploaded", "image_id")(truth) - kept


def _verified_cases(truth: Truth) -> set[str]:
    return {str(row["_id"]) for row in truth.of("privacy.cases") if row["phase"] == "VERIFIED"}


def _not_retained(row: Row) -> bool:
    return row["state"] == "completed" and row.get("retained_until") is None


PAIRINGS = (
    Pairing("user.registered", "user_id", _rows("auth.users")),
    Pairing("user.verified", "user_id", _rows("auth.users", lambda row: row["status"] == "active")),
    Pairing("user.deleted", "user_id", _leaving),
    Pairing("image.uploaded", "image_id", _rows("gallery.images"), _told("image.deleted", "image_id")),
    Pairing(
        "image.ready", "image_id", _rows("gallery.images", _in("ready")), _told("image.deleted", "image_id")
    ),
    Pairing("image.deleted", "image_id", _gone_images, _images_that_went),
    Pairing("generation.requested", "job_id", _rows("generation.jobs")),
    Pairing(
        "generation.queued", "job_id", _rows("generation.jobs", lambda row: row.get("queued_at") is not None)
    ),
    Pairing("generation.completed", "job_id", _rows("generation.jobs", _in("completed"))),
    Pairing("generation.failed", "job_id", _rows("generation.jobs", _in("failed", "cancelled"))),
    Pairing(
        "payment.completed",
        "payment_id",
        _rows("billing.payments", _not_retained),
        _rows("billing.payments", _in("refunded")),
    ),
    Pairing(
        "credits.granted",
        "payment_id",
        _rows("billing.ledger_entries", _entry("purchase"), "payment_id"),
        reason="purchase",
    ),
    Pairing(
        "credits.granted",
        "user_id",
        _rows("billing.ledger_entries", _entry("welcome"), "user_id"),
        reason="welcome",
    ),
    Pairing("account.opened", "user_id", _rows("billing.balances")),
    Pairing(
        "credits.refunded", "payment_id", _rows("billing.ledger_entries", _entry("refund"), "payment_id")
    ),
    Pairing("credits.reclaimed", "job_id", _rows("billing.ledger_entries", _entry("reclaim"), "job_id")),
    Pairing("credits.reserved", "job_id", _rows("billing.ledger_entries", _entry("reservation"), "job_id")),
    Pairing("credits.captured", "job_id", _rows("billing.ledger_entries", _entry("capture"), "job_id")),
    Pairing("credits.released", "job_id", _rows("billing.ledger_entries", _entry("release"), "job_id")),
    Pairing("credits.declined", "job_id", _rows("billing.reservations", _in("declined"))),
    Pairing("erasure.verified", "case_id", _verified_cases),
)

CHECKS = (pairs, captions_told, identities, one_end)
