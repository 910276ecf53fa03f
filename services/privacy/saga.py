"""The erasure of one person as a pure state machine: what happened goes in, what to do comes out.

No clock, no database, no broker. Whatever the order, duplicates and losses of what comes in, a case reaches
VERIFIED only when every holder has explained all it found and a scan that began after the last erasure saw nothing.
"""

from dataclasses import replace
from datetime import datetime

from services.privacy.amending import amended
from services.privacy.asking import (
    alert,
    request_erasure,
    request_last,
    request_scan,
    set_back,
    wait_for_items,
)
from services.privacy.progress import Progress
from services.privacy.protocol import (
    POLICY,
    Attention,
    Command,
    ErasureCompleted,
    Input,
    InventoryCompleted,
    IssueCertificate,
    ItemReleased,
    Order,
    Phase,
    PlaceHold,
    Policy,
    PublishErasureRequested,
    PublishInventoryRequested,
    PublishVerified,
    Record,
    ReleaseHold,
    Resend,
    RetainedLooked,
    ScanFinished,
    Tick,
    UserDeleted,
)
from services.privacy.state import (
    Hold,
    Saga,
    Step,
    brought_near,
    deadlines_ahead,
    one_month_after,
    patience_ends,
)

HELD, RELEASED = "erasure.held", "erasure.released"
"""What the audit calls it."""


def step(saga: Saga, happened: Input, policy: Policy = POLICY) -> Step:
    """Take one thing in; return the case after it and what is to be done, in order.

    What is already known, comes too late, or is of a holder that the case does not count changes nothing.
    """
    if saga.phase is Phase.VERIFIED:
        return amended(saga, happened, policy) if isinstance(happened, RetainedLooked) else (saga, ())
    done: Step = (saga, ())
    match happened:
        case UserDeleted():
            done = _open(saga, happened, policy)
        case InventoryCompleted():
            done = _inventoried(saga, happened, policy)
        case ErasureCompleted():
            done = _erased(saga, happened, policy)
        case ScanFinished():
            done = _scanned(saga, happened, policy)
        case Tick() | ItemReleased():
            done = _in_time(saga, happened, policy)
        case Resend() | PlaceHold() | ReleaseHold():
            done = _obey(saga, happened, policy)
    return done


def may_hold(saga: Saga) -> bool:
    """Tell whether a hold would still keep everything: no holder was asked to erase yet.

    From then on it is too late. What was asked cannot be called back, and a holder may be erasing at this moment.
    """
    return saga.attempt == 0


def _open(saga: Saga, happened: UserDeleted, policy: Policy) -> Step:
    if saga.opened_at:
        return saga, ()
    opened = replace(
        saga,
        phase=Phase.HELD if saga.hold else Phase.INVENTORY,
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
        return set_back(saga, happened.at, policy)
    verified = replace(
        saga,
        phase=Phase.VERIFIED,
        verified_at=happened.at,
        attention=(),
        asked_at=None,
        retry_at=None,
        look_at=min(saga.retained.values(), default=None),
    )
    return verified, (IssueCertificate(), PublishVerified())


def _advance(saga: Saga, at: datetime, policy: Policy) -> Step:
    """Go on as far as what is known allows."""
    if saga.opened_at is None or saga.phase is Phase.HELD or not saga.frozen:
        return saga, ()
    if saga.phase is Phase.SCANNING and not _short(saga):
        return saga, ()
    if saga.phase is Phase.INVENTORY:
        return request_erasure(saga, at)
    if saga.phase is not Phase.INCOMPLETE and _short(saga):
        return set_back(saga, at, policy)
    return _next(saga, at)


def _next(saga: Saga, at: datetime) -> Step:
    """Ask the last holder when the others have nothing left, then have a scan; wait while anything is held."""
    if saga.done(last=False) and saga.done(last=True):
        return request_scan(replace(saga, silences=0), at)
    if saga.done(last=False) and saga.last_asked < saga.needed:
        return request_last(saga, at)
    asked = saga.explained(last=saga.done(last=False))
    return wait_for_items(saga, at) if asked else (saga, ())


def _short(saga: Saga) -> bool:
    """Tell whether a holder has answered what was asked, and yet has not explained all it found."""
    return any(part.answered >= saga.needed and part.missing for part in saga.holders.values())


def _in_time(saga: Saga, happened: Tick | ItemReleased, policy: Policy) -> Step:
    """Let time pass, or know that a hold has ended: its holder erases and answers by itself.

    Where it does not it is asked, soon and as often as anybody who has to erase: what is held waits more patiently.
    """
    if isinstance(happened, Tick):
        return _tick(saga, happened.at, policy)
    if saga.phase is not Phase.WAITING:
        return saga, ()
    return replace(saga, phase=Phase.ERASING, asked_at=happened.at, silences=0), ()


def _tick(saga: Saga, at: datetime, policy: Policy) -> Step:
    commands: list[Command] = []
    saga = brought_near(saga, at, policy)
    if saga.hold and at >= saga.hold.until:
        saga, ended = _end_hold(saga, at, Record(RELEASED, "hold-expired"), policy)
        commands += ended
    for reason, moment in deadlines_ahead(saga):
        if at >= moment:
            saga, alerts = alert(saga, reason)
            commands += alerts
    ends = patience_ends(saga, policy)
    if ends and at >= ends:
        saga, asked = _ask_again(saga, at)
        commands += asked
    return saga, tuple(commands)


def _ask_again(saga: Saga, at: datetime) -> Step:
    """Ask the present question once more."""
    again = replace(saga, asked_at=at, silences=saga.silences + 1)
    if saga.phase in (Phase.INVENTORY, Phase.HELD):
        return again, (PublishInventoryRequested(),)
    if saga.phase is Phase.SCANNING:
        return request_scan(again, at)
    if saga.phase is Phase.INCOMPLETE:
        return request_erasure(saga, at)
    # Silence: an answer to an earlier attempt still counts, so `needed` stays.
    attempt, last = saga.attempt + 1, saga.done(last=False)
    again = replace(again, attempt=attempt, last_asked=attempt if last else saga.last_asked)
    return again, (PublishErasureRequested(attempt, last),)


def _obey(saga: Saga, order: Order, policy: Policy) -> Step:
    match order:
        case Resend():
            return _resend(saga, order.at)
        case PlaceHold():
            return _hold(saga, order)
        case ReleaseHold():
            return _end_hold(saga, order.at, Record(RELEASED, "hold-lifted", order.actor), policy)


def _hold(saga: Saga, order: PlaceHold) -> Step:
    if not may_hold(saga):
        return saga, ()
    holds = (*_ended(saga, order.at).holds, Hold(order.at, order.until, order.ground, hold_id=order.hold_id))
    phase = Phase.HELD if saga.phase is Phase.INVENTORY else saga.phase
    return replace(saga, phase=phase, holds=holds), (Record(HELD, order.ground, order.actor),)


def _end_hold(saga: Saga, at: datetime, record: Record, policy: Policy) -> Step:
    """Go on where the hold stopped the case."""
    if saga.hold is None:
        return saga, ()
    phase = Phase.INVENTORY if saga.phase is Phase.HELD else saga.phase
    after, commands = _advance(replace(_ended(saga, at), phase=phase), at, policy)
    return after, (record, *commands)


def _ended(saga: Saga, at: datetime) -> Saga:
    if saga.hold is None:
        return saga
    return replace(saga, holds=(*saga.holds[:-1], replace(saga.hold, ended_at=at)))


def _resend(saga: Saga, at: datetime) -> Step:
    if saga.phase is Phase.OPENED or saga.resting:
        return saga, ()
    attention = tuple(reason for reason in saga.attention if reason is not Attention.EXHAUSTED)
    fresh = replace(saga, setbacks=0, silences=0, attention=attention)
    if saga.phase is Phase.ERASING:
        return request_erasure(fresh, at)
    asked, commands = _ask_again(fresh, at)
    return replace(asked, silences=0), commands


def _with_progress(saga: Saga, holder: str, progress: Progress) -> Saga:
    return replace(saga, holders=saga.holders | {holder: progress})
