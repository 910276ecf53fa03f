"""What people read of a case: each thing that changed it, in order."""

from datetime import datetime

from services.privacy.models import TimelineEntry
from services.privacy.protocol import (
    Alert,
    AmendCertificate,
    Command,
    ErasureCompleted,
    Input,
    InventoryCompleted,
    IssueCertificate,
    ItemReleased,
    Phase,
    PublishErasureRequested,
    PublishInventoryRequested,
    Record,
    Resend,
    ScanFinished,
    StartScan,
    UserDeleted,
)
from services.privacy.state import Saga

FIRST_KEPT, LAST_KEPT = 100, 200
PLAIN: dict[type, str] = {
    UserDeleted: "account-deleted",
    Resend: "sent-again-by-operator",
    ItemReleased: "item-released",
    PublishInventoryRequested: "inventory-requested",
    IssueCertificate: "certificate-issued",
}
"""What has nothing more to say than that it happened; what is not here is a line of its own, or none."""


def entries(happened: Input, before: Saga, after: Saga, commands: tuple[Command, ...]) -> list[TimelineEntry]:
    """Return the lines that one step adds."""
    lines = [_of_input(happened)]
    if after.phase is Phase.INCOMPLETE and before.phase is not Phase.INCOMPLETE:
        short = [part for part in after.holders.values() if part.answered >= after.needed]
        missing = sum(sum(part.missing.values()) for part in short)
        lines.append(TimelineEntry(at=happened.at, what="incomplete", count=missing))
    if after.phase is Phase.WAITING and before.phase is not Phase.WAITING:
        held = sum(part.held for part in after.holders.values())
        lines.append(TimelineEntry(at=happened.at, what="waits-for-held-items", count=held))
    lines += [_of_record(each, happened.at) for each in commands if isinstance(each, Record)]
    lines += [_of_command(command, happened.at) for command in commands]
    return [line for line in lines if line is not None]


def shortened(timeline: list[TimelineEntry]) -> list[TimelineEntry]:
    """Return the beginning and the end of a timeline that has grown long."""
    if len(timeline) <= FIRST_KEPT + LAST_KEPT:
        return timeline
    return timeline[:FIRST_KEPT] + timeline[-LAST_KEPT:]


def _of_input(happened: Input) -> TimelineEntry | None:
    if type(happened) in PLAIN:
        return TimelineEntry(at=happened.at, what=PLAIN[type(happened)])
    match happened:
        case InventoryCompleted(at, holder, found):
            return TimelineEntry(at=at, what="inventory-completed", holder=holder, count=sum(found.values()))
        case ErasureCompleted(at, holder, attempt, outcomes):
            done = sum(outcome.accounted for outcome in outcomes.values())
            return TimelineEntry(at=at, what="erasure-completed", holder=holder, number=attempt, count=done)
        case ScanFinished(at, run, findings):
            return TimelineEntry(at=at, what="scan-finished", number=run, count=findings)
        case _:
            return None


def _of_command(command: Command, at: datetime) -> TimelineEntry | None:
    if type(command) in PLAIN:
        return TimelineEntry(at=at, what=PLAIN[type(command)])
    match command:
        case PublishErasureRequested(attempt, last):
            what = "key-destruction-requested" if last else "erasure-requested"
            return TimelineEntry(at=at, what=what, number=attempt)
        case StartScan(run):
            return TimelineEntry(at=at, what="scan-requested", number=run)
        case AmendCertificate(holdings):
            return TimelineEntry(at=at, what="certificate-amended", count=len(holdings))
        case Alert(reason):
            return TimelineEntry(at=at, what=f"attention:{reason.value}")
        case _:
            return None


def _of_record(record: Record, at: datetime) -> TimelineEntry:
    done = record.action.partition(".")[2]
    return TimelineEntry(at=at, what=f"{done}-by-{'operator' if record.actor else 'time'}")
