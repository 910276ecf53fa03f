"""What a certificate says of a case: facts without anything personal, as plain JSON values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.privacy.holds.grounds import told
from services.privacy.holds.models import Hold
from services.privacy.models import Case
from services.privacy.privacy import ERASURE, HOLDINGS
from services.privacy.progress import Outcome, Progress
from services.privacy.scanner import ScanReport
from services.privacy.state import Hold as AccountHold

ISSUER = "pixera"
OPERATION = "technical-retention"
"""It goes by itself when its time is over; nothing reads it for another purpose."""

KEPT_AS_PROOF: tuple[dict[str, str], ...] = (
    *(
        {"where": f"privacy.{held.document.collection}", "what": held.what, "ground": held.ground}
        for held in HOLDINGS.proofs
    ),
    {
        "where": "tombstones of every service",
        "what": "opaque id, so that nothing comes back",
        "ground": ERASURE,
    },
    {
        "where": "vault.keys",
        "what": "keyed pseudonym, so that no key is made again",
        "ground": ERASURE,
    },
    {
        "where": "item_holds of every service for 60 days after a hold's end",
        "what": "opaque id of an item that was held, so that a hold that is heard of again does not take effect",
        "ground": OPERATION,
    },
    {
        "where": "events and dead letters until their topics' retention ends",
        "what": "opaque ids, amounts, sizes and times, for 30 days, or 400 where they are the history that balances "
        "and galleries are rebuilt from; through them a retained payment leads to the opaque id; "
        "what was sealed, which nobody can open any more",
        "ground": OPERATION,
    },
    {
        "where": "auth.throttles for one day",
        "what": "keyed hash of a login that was tried after the account was closed",
        "ground": OPERATION,
    },
    {
        "where": "replication log of the database, volumes of the object store",
        "what": "opaque ids, and copies of what was erased, until they are overwritten or compacted; what was sealed "
        "is noise without its key, whose own wrapped copy goes in the same way",
        "ground": OPERATION,
    },
    {
        "where": "encrypted backups until their retention ends",
        "what": "all of it, as it was before the erasure; before a restored one is served, it is erased again",
        "ground": OPERATION,
    },
    {
        "where": "mail service, and the mailboxes it delivered to",
        "what": "mails that were sent before: they cannot be called back",
        "ground": OPERATION,
    },
    {
        "where": "payment provider",
        "what": "amounts and times in its own books; it erased our payment ids, see the proofs of its holding",
        "ground": OPERATION,
    },
)


def facts(case: Case, report: ScanReport, items: Sequence[Hold]) -> dict[str, Any]:
    """Return what the certificate of a VERIFIED case certifies."""
    return {
        "issuer": ISSUER,
        "case_id": str(case.id),
        "subject": case.subject,
        "requested_at": _iso(case.saga.deleted_at),
        "opened_at": _iso(case.saga.opened_at),
        "verified_at": _iso(case.saga.verified_at),
        "holders": [
            {"holder": name, "holdings": holdings(part)} for name, part in sorted(case.saga.holders.items())
        ],
        "scan": summary(report),
        "holds": [_hold(hold) for hold in case.saga.holds],
        "item_holds": [_item_hold(hold) for hold in items],
        "kept_as_proof": list(KEPT_AS_PROOF),
    }


def amendment(case: Case, at: datetime) -> dict[str, Any]:
    """Return what amends the certificate of a case: all that the law had kept and that is gone by now."""
    ended, removed, left = case.saga.ended, [], []
    for name, part in sorted(case.saga.holders.items()):
        for held in holdings(part):
            kept = {field: held[field] for field in ("holding", "retained", "ground", "retained_until")}
            if not held["retained"]:
                continue
            if seen := ended.get(str(held["holding"])):
                removed.append({"holder": name, **kept, "seen_gone_at": _iso(seen)})
            else:
                left.append({"holder": name, **kept})
    return {
        "issuer": ISSUER,
        "case_id": str(case.id),
        "subject": case.subject,
        "amended_at": _iso(at),
        "removed": removed,
        "still_retained": left,
    }


def holdings(part: Progress) -> list[dict[str, Any]]:
    """Return what a holder found and what became of it, holding by holding."""
    found = part.found or {}
    return [
        {
            "holding": name,
            "found": found.get(name, 0),
            "erased": outcome.erased if (outcome := part.outcomes.get(name)) else 0,
            "already_gone": outcome.already_gone if outcome else 0,
            "retained": outcome.retained if outcome else 0,
            "ground": outcome.ground if outcome else None,
            "retained_until": outcome.retained_until if outcome else None,
            **({"proofs": _proofs(outcome)} if outcome and outcome.proofs else {}),
        }
        for name in sorted(found.keys() | part.outcomes.keys())
    ]


def _proofs(outcome: Outcome) -> list[dict[str, str]]:
    return [{"reference": reference, "at": at} for reference, at in outcome.proofs]


def summary(report: ScanReport) -> dict[str, Any]:
    """Return what was read, and what was found."""
    return {
        "started_at": _iso(report.started_at),
        "finished_at": _iso(report.finished_at),
        "databases": report.databases,
        "collections": report.collections,
        "rows_read": report.rows_read,
        "buckets": report.buckets,
        "findings": report.total,
    }


def _hold(hold: AccountHold) -> dict[str, Any]:
    return {
        "since": _iso(hold.since),
        "until": _iso(hold.until),
        "ground": told(hold.ground).value,
        "ended_at": _iso(hold.ended_at),
    }


def _item_hold(hold: Hold) -> dict[str, Any]:
    return {
        "item": hold.called,
        "since": _iso(hold.placed_at),
        "until": _iso(hold.until),
        "ground": told(hold.ground).value,
        "ended_at": _iso(hold.ended_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
