"""Hand-made histories with the stores that belong to them: a right one, from which each test breaks one thing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.checks import CHECKS
from tests.chaos.history import Cast, Operation, Outcome, Record, digest
from tests.chaos.model import Moment, Violation
from tests.chaos.truth import GALLERY, SERVICES, Letter, Mailed, Published, Stored, Truth

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ADA, BOB, CYD = "user-ada", "user-bob", "user-cyd"
IMAGE, GONE_IMAGE, DRAWN = "image-1", "image-2", "image-3"
JOB, CANCELLED, PAYMENT, CASE = "job-1", "job-2", "payment-1", "case-1"
PREFIX = "prefix-ada"
READERS: dict[str, frozenset[str]] = {
    "image.uploaded": frozenset({"gallery.make-thumbnails"}),
    "erasure.requested": frozenset({"gallery.privacy"}),
}


def at(seconds: float) -> datetime:
    """Return a moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


@dataclass
class Sample:
    """Ada stays, Bob leaves, Cyd only registers. Both parts can be changed before `broken` looks at them."""

    history: Record
    rows: dict[str, dict[str, dict[str, Any]]]
    events: list[Published]
    objects: dict[str, Stored]
    mails: list[Mailed]
    log: list[Moment] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def truth(self) -> Truth:
        """Return the stores as they are told."""
        rows = {name: list(found.values()) for name, found in self.rows.items()}
        return Truth(
            **{
                "rows": rows,
                "accounts": {
                    row["email_key"]: row["_id"] for row in rows["auth.users"] if row.get("email_key")
                },
                "events": self.events,
                "objects": {GALLERY: self.objects},
                "locators": {ADA: PREFIX, BOB: "prefix-bob"},
                "mails": self.mails,
                "log": self.log,
                "readers": READERS,
                "holdings": {"gallery.uploads": "user_id"},
                **self.more,
            }
        )

    def broken(self) -> list[Violation]:
        """Return what all checks together say."""
        truth = self.truth()
        return [violation for check in CHECKS for violation in check(truth, self.history)]

    def promises(self) -> set[str]:
        """Return the names of the promises that are broken."""
        return {violation.promise for violation in self.broken()}

    def event(self, topic: str, **body: object) -> Published:
        """Return the first event of a topic whose body holds these fields."""
        return next(
            each for each in self.events if each.topic == topic and body.items() <= dict(each.body).items()
        )

    def drop(self, topic: str, **body: object) -> None:
        """Take an event away."""
        self.events.remove(self.event(topic, **body))

    def change(self, topic: str, /, **fields: Any) -> None:
        """Put another in the place of a topic's first event."""
        known = self.event(topic)
        self.events[self.events.index(known)] = replace(known, **fields)

    def repeat(self, topic: str, /, **fields: Any) -> None:
        """Publish a topic's first event once more, with these things different."""
        self.events.append(replace(self.event(topic), **{"offset": 900 + len(self.events), **fields}))

    def did(self, who: str, what: str, number: int, **more: Any) -> None:
        """Enter an operation, each a second after the one before."""
        self.history.note(did(who, what, number, **more))

    def amend(self, number: int, **more: Any) -> None:
        """Change an operation of the history."""
        self.history.operations[number] = replace(self.history.operations[number], **more)

    def entry(self, name: str) -> dict[str, Any]:
        """Return an entry of the ledger."""
        return self.rows["billing.ledger_entries"][name]


def did(who: str, what: str, number: int, **more: Any) -> Operation:
    """Return an acknowledged operation, begun after so many seconds."""
    told = {"outcome": Outcome.OK, "invoked": number, "returned": number + 0.5, "at": at(number), **more}
    return Operation(who, what, **told)


def sample() -> Sample:
    """Return a history in which every promise was kept."""
    return Sample(
        _history(),
        _rows(),
        _events(),
        _objects(),
        [Mailed(f"{who}@example.org", "verify", at(0.5)) for who in ("ada", "bob", "cyd")],
    )


def _history() -> Record:
    history = Record()
    for who, user_id in (("ada", ADA), ("bob", BOB), ("cyd", "")):
        history.people[who] = Cast(who, f"{who}@example.org", who, "secret", "phone", user_id)
    given = {"image_id": IMAGE, "caption": digest("first")}
    gone = {"image_id": GONE_IMAGE, "caption": digest("gone")}
    operations: Sequence[tuple[str, str, Mapping[str, Any]]] = (
        ("ada", "sign-in", {}),
        ("ada", "upload", {"given": given, "arguments": "pixels-1"}),
        ("ada", "upload", {"given": gone, "arguments": "pixels-2"}),
        ("ada", "caption", {"given": {"image_id": IMAGE, "caption": digest("second")}}),
        ("ada", "download", {"given": {"image_id": IMAGE}, "arguments": "bytes-1"}),
        ("ada", "delete-image", {"given": {"image_id": GONE_IMAGE}}),
        ("ada", "generate", {"given": {"key": "key-1"}, "got": {"job_id": JOB}}),
        ("ada", "generate", {"given": {"key": "key-2"}, "got": {"job_id": CANCELLED}}),
        ("ada", "cancel", {"given": {"job_id": CANCELLED}}),
        ("ada", "check-out", {"given": {"key": "buy-1"}, "got": {"payment_id": PAYMENT}}),
        ("bob", "delete-account", {"got": {"case_id": CASE}}),
        ("bob", "sign-in", {"outcome": Outcome.REFUSED, "code": "401 wrong-credentials"}),
        ("bob", "old-token", {"outcome": Outcome.REFUSED, "code": "410 subject-erased"}),
        ("cyd", "register", {}),
    )
    for number, (who, what, more) in enumerate(operations):
        history.note(did(who, what, number, **more))
    return history


def _entry(
    kind: str, source: str, target: str, credits_: int, seconds: float, **about: str
) -> dict[str, Any]:
    postings = [{"account": source, "credits": -credits_}, {"account": target, "credits": credits_}]
    known = {"_id": f"{kind}-{about}", "user_id": ADA, "kind": kind, "created_at": at(seconds)}
    return {**known, "postings": postings, **about}


def _rows() -> dict[str, dict[str, dict[str, Any]]]:
    image = {"user_id": ADA, "state": "ready", "size_bytes": 10}
    job = {"user_id": ADA, "credits": 1, "count": 1, "image_ids": [], "queued_at": NOON}
    paid = {"user_id": ADA, "state": "completed", "credited": True, "credits": 100}
    available, reserved = "user:available", "user:reserved"
    entries = {
        "welcome": _entry("welcome", "platform:welcome", available, 10, 1),
        "purchase": _entry("purchase", "platform:sales", available, 100, 9, payment_id=PAYMENT),
        "reserved-1": _entry("reservation", available, reserved, 1, 7, job_id=JOB),
        "capture": _entry("capture", reserved, "platform:usage", 1, 9, job_id=JOB),
        "reserved-2": _entry("reservation", available, reserved, 1, 7, job_id=CANCELLED),
        "release": _entry("release", reserved, available, 1, 9, job_id=CANCELLED),
    }
    rows: dict[str, dict[str, dict[str, Any]]] = {
        "auth.users": {
            ADA: {"_id": ADA, "status": "active", "email_key": "ada@example.org"},
            CYD: {"_id": CYD, "status": "unverified", "email_key": "cyd@example.org"},
        },
        "gallery.images": {
            IMAGE: {"_id": IMAGE, **image, "caption": "second"},
            DRAWN: {"_id": DRAWN, **image, "job_id": JOB, "caption": None},
        },
        "gallery.uploads": {
            key: {"_id": key, "user_id": ADA, "completed": True} for key in (IMAGE, GONE_IMAGE)
        },
        "gallery.inbox": {key: {"_id": key, "at": at(2)} for key in _inbox()},
        "generation.jobs": {
            JOB: {"_id": JOB, **job, "state": "completed", "image_ids": [DRAWN]},
            CANCELLED: {"_id": CANCELLED, **job, "state": "cancelled"},
        },
        "billing.payments": {PAYMENT: {"_id": PAYMENT, **paid}},
        "billing.ledger_entries": entries,
        "billing.balances": {ADA: {"_id": ADA, "available": 109, "reserved": 0}},
        "billing.reservations": {
            JOB: {"_id": JOB, "user_id": ADA, "state": "captured"},
            CANCELLED: {"_id": CANCELLED, "user_id": ADA, "state": "released"},
        },
        "pay.checkouts": {"checkout-1": {"_id": "checkout-1", "payment_id": PAYMENT, "state": "paid"}},
        "privacy.cases": {CASE: {"_id": CASE, "phase": "VERIFIED"}},
        "privacy.certificates": {CASE: {"_id": CASE}},
    }
    tombstone = {BOB: {"_id": BOB, "completed_at": at(12)}}
    return rows | {f"{service}.tombstones": dict(tombstone) for service in SERVICES}


def _inbox() -> list[str]:
    uploaded = (f"image.uploaded-{image}" for image in (IMAGE, GONE_IMAGE, DRAWN))
    return [
        *(f"gallery.make-thumbnails:{key}" for key in uploaded),
        f"gallery.privacy:erasure.requested-{CASE}",
    ]


def _events() -> list[Published]:
    ada, bob = {"user_id": ADA}, {"user_id": BOB}
    case = {**bob, "case_id": CASE}
    told: list[tuple[str, str, dict[str, str], float]] = [
        ("auth", "user.registered", ada, 0),
        ("auth", "user.verified", ada, 0),
        ("auth", "user.registered", bob, 0),
        ("auth", "user.registered", {"user_id": CYD}, 0),
        ("billing", "account.opened", ada, 0.5),
        ("billing", "credits.granted", {**ada, "reason": "welcome"}, 1),
        *(("gallery", "image.uploaded", {**ada, "image_id": key}, 1) for key in (IMAGE, GONE_IMAGE, DRAWN)),
        *(("gallery", "image.ready", {**ada, "image_id": key}, 2) for key in (IMAGE, DRAWN)),
        ("gallery", "image.captioned", {**ada, "image_id": IMAGE}, 3),
        ("gallery", "image.deleted", {**ada, "image_id": GONE_IMAGE}, 5),
        *(("generation", "generation.requested", {**ada, "job_id": key}, 6) for key in (JOB, CANCELLED)),
        *(("generation", "generation.queued", {**ada, "job_id": key}, 7) for key in (JOB, CANCELLED)),
        ("generation", "generation.completed", {**ada, "job_id": JOB}, 8),
        ("generation", "generation.failed", {**ada, "job_id": CANCELLED}, 8),
        *(("billing", "credits.reserved", {**ada, "job_id": key}, 7) for key in (JOB, CANCELLED)),
        ("billing", "credits.captured", {**ada, "job_id": JOB}, 9),
        ("billing", "credits.released", {**ada, "job_id": CANCELLED}, 9),
        ("billing", "payment.completed", {**ada, "payment_id": PAYMENT}, 9),
        ("billing", "credits.granted", {**ada, "reason": "purchase", "payment_id": PAYMENT}, 9),
        ("auth", "user.deleted", case, 10),
        ("privacy", "inventory.requested", case, 10.5),
        ("gallery", "inventory.completed", {**case, "holder": "gallery"}, 10.6),
        ("privacy", "erasure.requested", {**case, "attempt": "1"}, 11),
        ("gallery", "erasure.completed", {**case, "attempt": "1", "holder": "gallery"}, 12),
        ("privacy", "erasure.verified", case, 13),
    ]
    return [_published(offset, *each) for offset, each in enumerate(told)]


def _published(offset: int, service: str, topic: str, body: dict[str, str], seconds: float) -> Published:
    about = next(
        (body[name] for name in ("image_id", "job_id", "payment_id", "case_id") if name in body),
        body["user_id"],
    )
    source = f"/pixera/{service}"
    return Published(topic, 0, offset, body["user_id"], f"{topic}-{about}", source, at(seconds), body)


def _objects() -> dict[str, Stored]:
    found = {}
    for number, image in ((1, IMAGE), (3, DRAWN)):
        found[f"{PREFIX}/{image}/original"] = Stored(10, f"bytes-{number}", f"pixels-{number}", "PNG")
        for part in ("small", "large"):
            found[f"{PREFIX}/{image}/{part}"] = Stored(4, f"{part}-{number}", f"{part}-{number}", "WEBP")
    return found


def letter() -> Letter:
    """Return a dead letter."""
    return Letter("gallery.import-images", "generation.completed", "event-1", "handler-failed")
