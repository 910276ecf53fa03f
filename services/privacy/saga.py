"""The erasure of one person as a pure state machine: what happened goes in, what to do comes out.

No clock, no database, no broker. Whatever the order, duplicates and losses of what comes in, a case reaches
VERIFIED only when every holder has explained all it found and a scan that began after the last erasure saw nothing.
"""

from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.privacy.progress import Progress
from services.privacy.protocol import (
    HOLDERS,
    Alert,
    Attention,
    Command,
    ErasureCompleted,
    Input,
    InventoryCompleted,
    IssueCertificate,
    Phase,
    Policy,
    PublishErasureRequested,
    PublishInventoryRequested,
    PublishVerified,
    Resend,
    ScanFinished,
    StartScan,
    Tick,
    UserDeleted,
    backoff,
)

POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Saga:
    """All that a case must remember to go on after a restart.

    Args:     attempt: the last erasure request's number; needed: the attempt that every holder must have answered
              (or a later one) before a scan; run: the last scan's number; asked_at, silences: when the present
              question was last asked and how often it was asked again; setbacks: shortfalls and findings so far;
              retry_at: when an INCOMPLETE case tries again, None where it waits for an operator.
    """

    phase: Phase = Phase.OPENED
    holders: dict[str, Progress] = field(default_factory=lambda: {name: Progress() for name in HOLDERS})
    deleted_at: datetime | None = None
    opened_at: datetime | None = None
    target_at: datetime | None = None
    due_at: datetime | None = None
    verified_at: datetime | None = None
    attempt: int = 0
    needed: int = 0
    run: int = 0
    asked_at: datetime | None = None
    silences: int = 0
    setbacks: int = 0
    retry_at: datetime | None = None
    attention: tuple[Attention, ...] = ()


Step = tuple[Saga, tuple[Command, ...]]


def step(saga: Saga, happened: Input, policy: Policy = POLICY) -> Step:
    """Take one thing in; return the case after it and what is to be done, in order.

    What is already known, comes too late, or is of a holder that the case does not count changes nothing.
    """
    done: Step = (saga, ())
    match happened:
        case _ if saga.phase is Phase.VERIFIED:
            pass
        case UserDeleted():
            done = _open(saga, happened, policy)
        case InventoryCompleted():
            done = _inventoried(saga, happened, policy)
        case ErasureCompleted():
            done = _erased(saga, happened, policy)
        case ScanFinished():
            done = _scanned(saga, happened, policy)
        case Tick():
            done = _tick(saga, happened.at, policy)
        case Resend():
            done = _resend(saga, happened.at)
    return done


def wake_at(saga: Saga, policy: Policy = POLICY) -> datetime | None:
    """Return when the case next needs a Tick, None where only an answer can move it, or nothing any more."""
    if saga.phase is Phase.VERIFIED:
        return None
    moments = [_patience_ends(saga, policy), *(moment for _, moment in _deadlines_ahead(saga))]
    return min((moment for moment in moments if moment), default=None)


def one_month_after(moment: datetime) -> datetime:
    """Return the same day and time of the next month, or that month's last day.

    Source:   GDPR Art. 12(3): within one month of receipt of the request.
    """
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)  # noqa: PLR2004
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _open(saga: Saga, happened: UserDeleted, policy: Policy) -> Step:
    if saga.opened_at:
        return saga, ()
    opened = replace(
        saga,
        phase=Phase.INVENTORY,
        deleted_at=happened.deleted_at,
        opened_at=happened.at,
        target_at=happened.deleted_at + policy.target,
        due_at=one_month_after(happened.deleted_at),
        asked_at=happened.at,
    )
    after, commands = _advance(opened, happened.at, policy)
    return after, (PublishInventoryRequested(), *commands)


def _inventoried(saga: Saga, happened: InventoryCompleted, policy: Policy) -> Step:
    known = saga.holders.get(happened.holder)
    if known is None or (progress := known.with_inventory(happened.found)) == known:
        return saga, ()
    return _advance(_with_progress(saga, happened.holder, progress), happened.at, policy)


def _erased(saga: Saga, happened: ErasureCompleted, policy: Policy) -> Step:
    known = saga.holders.get(happened.holder)
    if known is None or (progress := known.with_answer(happened.attempt, happened.outcomes)) == known:
        return saga, ()
    saga = _with_progress(saga, happened.holder, progress)
    # A scan that is under way began before this erasure ended: it proves nothing of it, and another is needed.
    phase = Phase.ERASING if saga.phase is Phase.SCANNING else saga.phase
    saga = replace(saga, phase=phase, attempt=max(saga.attempt, happened.attempt))
    return _advance(saga, happened.at, policy)


def _scanned(saga: Saga, happened: ScanFinished, policy: Policy) -> Step:
    if saga.phase is not Phase.SCANNING or happened.run != saga.run:
        return saga, ()
    if happened.findings:
        return _set_back(saga, happened.at, policy)
    verified = replace(
        saga, phase=Phase.VERIFIED, verified_at=happened.at, attention=(), asked_at=None, retry_at=None
    )
    return verified, (IssueCertificate(), PublishVerified())


def _advance(saga: Saga, at: datetime, policy: Policy) -> Step:
    """Go on as far as what is known allows."""
    parts = saga.holders.values()
    if saga.opened_at is None or any(part.found is None for part in parts):
        return saga, ()
    if saga.phase is Phase.SCANNING and not _short(saga):
        return saga, ()
    if saga.phase is Phase.INVENTORY:
        return _request_erasure(saga, at)
    if saga.phase is not Phase.INCOMPLETE and _short(saga):
        return _set_back(saga, at, policy)
    if any(part.answered < saga.needed or part.missing for part in parts):
        return saga, ()
    return _request_scan(replace(saga, silences=0), at)


def _short(saga: Saga) -> bool:
    """Tell whether a holder has answered what was asked, and yet has not explained all it found."""
    return any(part.answered >= saga.needed and part.missing for part in saga.holders.values())


def _request_erasure(saga: Saga, at: datetime) -> Step:
    """Ask everyone to erase, and count only answers from this attempt on."""
    attempt = saga.attempt + 1
    asked = replace(
        saga, phase=Phase.ERASING, attempt=attempt, needed=attempt, asked_at=at, silences=0, retry_at=None
    )
    return asked, (PublishErasureRequested(attempt),)


def _request_scan(saga: Saga, at: datetime) -> Step:
    asked = replace(saga, phase=Phase.SCANNING, run=saga.run + 1, asked_at=at, retry_at=None)
    return asked, (StartScan(asked.run),)


def _set_back(saga: Saga, at: datetime, policy: Policy) -> Step:
    """Note that the case is incomplete; try again after a wait, or call for people when that did not help."""
    setbacks = saga.setbacks + 1
    incomplete = replace(saga, phase=Phase.INCOMPLETE, setbacks=setbacks, asked_at=None)
    if setbacks <= policy.setbacks:
        wait = backoff(policy.setback, policy.setback_cap, setbacks - 1)
        return replace(incomplete, retry_at=at + wait), ()
    return _alert(replace(incomplete, retry_at=None), Attention.EXHAUSTED)


def _tick(saga: Saga, at: datetime, policy: Policy) -> Step:
    commands: list[Command] = []
    for reason, moment in _deadlines_ahead(saga):
        if at >= moment:
            saga, alerts = _alert(saga, reason)
            commands += alerts
    patience_ends = _patience_ends(saga, policy)
    if patience_ends and at >= patience_ends:
        saga, asked = _ask_again(saga, at)
        commands += asked
    return saga, tuple(commands)


def _patience_ends(saga: Saga, policy: Policy) -> datetime | None:
    """Return when the present question is to be asked again."""
    if saga.phase is Phase.INCOMPLETE:
        return saga.retry_at
    if saga.asked_at is None:
        return None
    if saga.phase is Phase.SCANNING:
        return saga.asked_at + backoff(policy.scan_timeout, policy.silence_cap, saga.silences)
    return saga.asked_at + backoff(policy.silence, policy.silence_cap, saga.silences)


def _ask_again(saga: Saga, at: datetime) -> Step:
    """Ask the present question once more."""
    again = replace(saga, asked_at=at, silences=saga.silences + 1)
    if saga.phase is Phase.INVENTORY:
        return again, (PublishInventoryRequested(),)
    if saga.phase is Phase.SCANNING:
        return _request_scan(again, at)
    if saga.phase is Phase.INCOMPLETE:
        return _request_erasure(saga, at)
    # Silence: an answer to an earlier attempt still counts, so `needed` stays.
    again = replace(again, attempt=saga.attempt + 1)
    return again, (PublishErasureRequested(again.attempt),)


def _resend(saga: Saga, at: datetime) -> Step:
    if saga.phase is Phase.OPENED:
        return saga, ()
    attention = tuple(reason for reason in saga.attention if reason is not Attention.EXHAUSTED)
    fresh = replace(saga, setbacks=0, silences=0, attention=attention)
    if saga.phase is Phase.ERASING:
        return _request_erasure(fresh, at)
    asked, commands = _ask_again(fresh, at)
    return replace(asked, silences=0), commands


def _deadlines_ahead(saga: Saga) -> list[tuple[Attention, datetime]]:
    """Return the deadlines that nobody was alerted of yet."""
    deadlines = ((Attention.TARGET_MISSED, saga.target_at), (Attention.OVERDUE, saga.due_at))
    return [(reason, moment) for reason, moment in deadlines if moment and reason not in saga.attention]


def _alert(saga: Saga, reason: Attention) -> Step:
    attention = saga.attention if reason in saga.attention else (*saga.attention, reason)
    return replace(saga, attention=attention), (Alert(reason),)


def _with_progress(saga: Saga, holder: str, progress: Progress) -> Saga:
    return replace(saga, holders=saga.holders | {holder: progress})
