"""Holds the settled platform against the history. `make chaos` finds both functions here."""

import asyncio
import json
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from demo.needles import Needle, of_image, of_text
from demo.scanner import Scanner, Since
from demo.story import strays
from libs.common.bus.topics import DEAD_LETTER_SUFFIX
from libs.common.certificate import Signer, verify_chain
from tests.chaos import reading
from tests.chaos.checks import CHECKS
from tests.chaos.checks.resumption import resumptions
from tests.chaos.history import Cast, Record
from tests.chaos.model import Rig, Violation
from tests.chaos.settled import unsettled
from tests.chaos.truth import SERVICES, Published, Row, Truth

__all__ = ["truth_of", "unsettled", "violations"]


async def violations(rig: Rig, history: Record) -> list[Violation]:
    """Say which promises were broken; settled first, or what is still under way looks broken.

    Effects:  the history learns the figures that only the stores tell.
    """
    truth = await truth_of(rig, history)
    history.found(_figures(truth), **_counts(truth))
    return [violation for check in CHECKS for violation in check(truth, history)]


def _figures(truth: Truth) -> list[float]:
    """Return how long killed steps took to go on where nothing else was wrong."""
    found = (each.after_s for each in resumptions(truth) if not each.hindered)
    return [after_s for after_s in found if after_s is not None]


def _counts(truth: Truth) -> dict[str, int]:
    hindered = [each for each in resumptions(truth) if each.hindered]
    unmeasured = sum(each.after_s is None for each in hindered)
    return {
        "events": len(truth.events),
        "erasures": len(truth.leaving),
        "killed steps measured from another fault's end": len(hindered) - unmeasured,
        "killed steps not measured": unmeasured,
    }


async def truth_of(rig: Rig, history: Record) -> Truth:
    """Read all that concerns the people of this history."""
    records = await reading.records(rig.env, history.starts)
    events = [reading.event_of(each) for each in records if not each.topic.endswith(DEAD_LETTER_SUFFIX)]
    letters = [reading.letter_of(each) for each in records if each.topic.endswith(DEAD_LETTER_SUFFIX)]
    rows, imbalance = await _rows(rig, history, events)
    people = (
        {row["_id"] for row in rows["auth.users"]}
        | _named_in(events)
        | {UUID(each) for each in history.user_ids}
    )
    locators = reading.locators(rig.env, people)
    objects, left = await asyncio.gather(
        reading.objects(rig.env, locators.values()), _strays(rig, history, events, rows)
    )
    return Truth(
        rows=rows,
        accounts=reading.owners(rig.env, history.emails, rows["auth.users"]),
        events=events,
        letters=letters,
        objects=objects,
        locators=locators,
        mails=reading.mails(rig.home.mail, history.began),
        log=[moment for moment in rig.log if moment.wall >= history.began],
        strays=left,
        chain_broken=_chain_broken(rig, rows["privacy.certificates"]),
        imbalance=imbalance,
        readers=reading.readers(),
        holdings={**reading.holdings(), "vault.keys": "user_id"},
    )


def _named_in(events: list[Published]) -> set[UUID]:
    """Return everybody whom an event of this seed is about."""
    return {UUID(event.get("user_id")) for event in events if event.get("user_id")}


async def _rows(rig: Rig, history: Record, events: list[Published]) -> tuple[dict[str, list[Row]], int]:
    async with reading.databases(rig.env) as client:
        registered = await reading.accounts(client, rig.env, history.emails)
        people = (
            _named_in(events) | {UUID(each) for each in history.user_ids} | {row["_id"] for row in registered}
        )
        places = {**reading.holdings(), **{f"{service}.tombstones": "_id" for service in SERVICES}}
        found = {
            name: await reading.rows(client, name, {path: {"$in": [*people]}})
            for name, path in places.items()
        }
        found["gallery.images"] = await reading.opened(rig.env, found["gallery.images"])
        found["vault.keys"] = await reading.keys(client, rig.env, people)
        found |= await _books(client, people, events, history)
        found |= await _cases(client, events)
        for service in SERVICES:
            wanted = [
                f"{group}:{event.id}" for event in events for group in reading.readers().get(event.topic, ())
            ]
            of_service = [key for key in wanted if key.startswith(f"{service}.")]
            found[f"{service}.inbox"] = await reading.rows(
                client, f"{service}.inbox", {"_id": {"$in": of_service}}
            )
        return found, await _imbalance(client)


async def _books(
    client: Any, people: set[UUID], events: list[Published], history: Record
) -> dict[str, list[Row]]:
    """Return payments and entries, also where a pseudonym has taken the person's place."""
    told = {event.get("payment_id") for event in events} | {
        each.got["payment_id"] for each in history.of("check-out") if "payment_id" in each.got
    }
    payment_ids = [UUID(each) for each in told if each]
    either = {"$or": [{"user_id": {"$in": [*people]}}, {"_id": {"$in": payment_ids}}]}
    payments = await reading.rows(client, "billing.payments", either)
    payers = people | {row["user_id"] for row in payments}
    return {
        "billing.payments": payments,
        "billing.ledger_entries": await reading.rows(
            client, "billing.ledger_entries", {"user_id": {"$in": [*payers]}}
        ),
        "pay.checkouts": await reading.rows(client, "pay.checkouts", {"payment_id": {"$in": payment_ids}}),
    }


async def _cases(client: Any, events: list[Published]) -> dict[str, list[Row]]:
    case_ids = [UUID(event.get("case_id")) for event in events if event.topic == "user.deleted"]
    return {
        "privacy.cases": await reading.rows(client, "privacy.cases", {"_id": {"$in": case_ids}}),
        "privacy.certificates": await reading.rows(client, "privacy.certificates", {}),
    }


async def _imbalance(client: Any) -> int:
    """Return by how much the whole of the books is wrong, whoever they are about."""
    pipeline: list[Row] = [
        {"$unwind": "$postings"},
        {"$group": {"_id": None, "sum": {"$sum": "$postings.credits"}}},
    ]
    cursor = await reading.database(client, "billing")["ledger_entries"].aggregate(pipeline)
    (*_, total) = [{"sum": 0}, *await cursor.to_list()]
    return int(total["sum"])


def _chain_broken(rig: Rig, certificates: list[Row]) -> str:
    keys: list[Ed25519PublicKey] = [Signer(rig.env["PIXERA_CERTIFICATE_SIGNING_KEY"]).public_key]
    in_order = sorted(certificates, key=lambda row: row["sequence"])
    _, check = verify_chain([row["signed"] for row in in_order], keys)
    return "" if check.passed else check.detail


async def _strays(
    rig: Rig, history: Record, events: list[Published], rows: dict[str, list[Row]]
) -> list[str]:
    """Look for those who are gone in all that is stored; return what no certificate accounts for."""
    gone = {event.get("user_id") for event in events if event.topic == "user.deleted"}
    people = [person for person in history.people.values() if person.user_id in gone]
    if not people:
        return []
    since = Since(history.starts, history.began)
    needles = [needle for person in people for needle in _needles(person)]
    return strays(await Scanner(rig.env, needles, since).run(), {"kept_as_proof": _kept(rows)})


def _kept(rows: dict[str, list[Row]]) -> list[dict[str, str]]:
    """Return what the certificates say is kept."""
    signed = (json.loads(row["signed"]) for row in rows["privacy.certificates"])
    return list({entry["where"]: entry for paper in signed for entry in paper["kept_as_proof"]}.values())


def _needles(person: Cast) -> list[Needle]:
    needles = [
        *of_text("e-mail", person.email),
        *of_text("username", person.username),
        *of_text("password", person.password),
        *of_text("device", person.device),
        *of_text("opaque id", person.user_id),
        Needle("opaque id", "binary", UUID(person.user_id).bytes),
    ]
    for kind, texts in (("prompt", person.prompts), ("caption", person.captions)):
        needles += [needle for text in texts for needle in of_text(kind, text)]
    return needles + [needle for picture in person.pictures for needle in of_image("image bytes", picture)]
