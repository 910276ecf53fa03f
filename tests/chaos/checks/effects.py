"""Each effect happened exactly once: events taken in, credits granted and settled, images delivered, mails sent."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from libs.common.events.base import REGISTRY
from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.standing import troubles
from tests.chaos.truth import Row, Truth

MAIL_TROUBLE = ("auth-worker", "auth->mail", "auth->mongod", "mongod")
"""Whose deaths and lost connections can come between a mail and its commit (services/auth/README.md)."""

MOMENT = timedelta(seconds=1)
"""How much earlier than the log tells of it an interruption may be over."""

ENDS = {
    "completed": ("captured", "capture"),
    "failed": ("released", "release"),
    "cancelled": ("released", "release"),
}


def taken_in(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every event to have had its effect in every group that reads it, unless its person is gone."""
    for event in truth.told(*truth.readers):
        if _is_fenced(event.topic) and truth.is_leaving(event.get("user_id")):
            continue
        for group in sorted(truth.readers[event.topic]):
            if f"{group}:{event.id}" not in truth.taken:
                yield Violation("taken in", event.id, f"{event.topic} has had no effect in {group}")


def grants(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every payment of people who stay to be credited once, with what it bought; and the welcome to be once."""
    bought = _entries(truth, "purchase", "payment_id")
    for payment_id, row in truth.by_id("billing.payments").items():
        if truth.is_leaving(row["user_id"]) or row.get("retained_until") is not None:
            continue
        found = [_gain(entry) for entry in bought.get(payment_id, [])]
        expected = [row["credits"]] if row["state"] == "completed" or row["credited"] else []
        if found != expected:
            yield Violation("grants", payment_id, f"is {row['state']}, granted {found}, expected {expected}")
    for user_id, entries in _entries(truth, "welcome", "user_id").items():
        if len(entries) > 1:
            yield Violation("grants", user_id, f"was welcomed {len(entries)} times")


def welcomes(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold everybody who verified their address, and stays, to have been welcomed."""
    welcomed = _entries(truth, "welcome", "user_id")
    for user_id, row in truth.by_id("auth.users").items():
        if row["status"] == "active" and user_id not in welcomed and not truth.is_leaving(user_id):
            yield Violation("welcomes", user_id, "is verified, and was given no credits")


def settlements(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every job's credits to be settled once, as its end asks for."""
    settled = {kind: _entries(truth, kind, "job_id") for kind in ("reservation", "capture", "release")}
    reservations = truth.by_id("billing.reservations")
    for job_id, job in truth.by_id("generation.jobs").items():
        if truth.is_leaving(job["user_id"]) or job["state"] not in (*ENDS, "declined"):
            continue
        state = reservations[job_id]["state"] if job_id in reservations else "absent"
        moved = {kind: len(entries.get(job_id, [])) for kind, entries in settled.items()}
        if (state, moved) not in _settled_as(job["state"]):
            yield Violation("settlements", job_id, f"is {job['state']}, credits {state}, entries {moved}")


def deliveries(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold each image of a completed job to be in the gallery once, unless its person deleted it."""
    deleted = {event.get("image_id") for event in truth.told("image.deleted")}
    images = truth.by_id("gallery.images")
    for job in truth.of("generation.jobs"):
        if truth.is_leaving(job["user_id"]) or job["state"] != "completed":
            continue
        promised = {str(image_id) for image_id in job["image_ids"]}
        found = {image_id for image_id, row in images.items() if row.get("job_id") == job["_id"]}
        if len(promised) != job["count"] or promised - deleted != found:
            missing = sorted(promised - deleted - found)
            yield Violation(
                "deliveries", str(job["_id"]), f"missing {missing}, beyond it {sorted(found - promised)}"
            )


def mails(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold due mails to have been sent, and once; another may follow what came between it and its commit.

    Whoever has followed one mail made every other registration of their address void, maybe before it was sent.
    """
    due = Counter(event.get("user_id") for event in truth.told("user.registered", "mail.requested"))
    between = [each for each in troubles(truth.log) if each.concerns(*MAIL_TROUBLE) and each.kind != "clock"]
    followed = {each.who for each in history.of("verify") if each.possible}
    for person in history.people.values():
        user_id = truth.id_of(person)
        sent = sorted(mail.at for mail in truth.mails if mail.to == person.email)
        excused = sum(any(each.felt(*pair, MOMENT) for each in between) for pair in pairwise(sent))
        least = min(due[user_id], 1) if person.name in followed else due[user_id]
        if (len(sent) < least and not truth.is_leaving(user_id)) or len(sent) > due[user_id] + excused:
            told = f"{len(sent)} mails, {due[user_id]} due, {excused} after interruptions"
            yield Violation("mails", user_id or person.name, told)


CHECKS = (taken_in, grants, welcomes, settlements, deliveries, mails)


def _is_fenced(topic: str) -> bool:
    return any(event.fenced for (name, _), event in REGISTRY.items() if name == topic)


def _entries(truth: Truth, kind: str, field: str) -> dict[str, list[Row]]:
    """Return the ledger's entries of a kind, by payment, job or person."""
    found: dict[str, list[Row]] = {}
    for row in truth.of("billing.ledger_entries"):
        if row["kind"] == kind and row.get(field) is not None:
            found.setdefault(str(row[field]), []).append(row)
    return found


def _gain(entry: Row) -> int:
    return sum(part["credits"] for part in entry["postings"] if part["account"] == "user:available")


def _settled_as(state: str) -> list[tuple[str, dict[str, int]]]:
    """Return what reservation and entries may be once a job has ended so."""
    nothing = {"reservation": 0, "capture": 0, "release": 0}
    if state == "declined":
        return [("declined", nothing)]
    name, kind = ENDS[state]
    settled = (name, {**nothing, "reservation": 1, kind: 1})
    # Over before its credits were set aside, or before billing declined them.
    return [settled] if state == "completed" else [settled, ("void", nothing), ("declined", nothing)]
