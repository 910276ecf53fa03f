"""The words of the erasure protocol: what the saga is told, what it asks for, and how patient it is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.common.events.privacy import Holder
from services.privacy.progress import Outcome

HOLDERS: tuple[Holder, ...] = ("auth", "gallery", "generation", "billing", "privacy")
"""Every service that holds data of people. A case keeps the list it was opened with."""

LAST = frozenset({"privacy"})
"""Who is asked to erase when all others have explained what they found: it destroys the person's key (ADR 0026)."""


class Phase(StrEnum):
    """Where a case stands."""

    OPENED = "OPENED"  # answers were heard before the deletion itself: nothing is asked for yet
    INVENTORY = "INVENTORY"
    HELD = "HELD"  # hidden and frozen, and by order of the operators not erased for now
    ERASING = "ERASING"
    WAITING = (
        "WAITING"  # all is erased but single items that are held, and the key; goes on when the holds end
    )
    SCANNING = "SCANNING"
    INCOMPLETE = "INCOMPLETE"
    VERIFIED = "VERIFIED"


class Attention(StrEnum):
    """Why people should look at a case. It goes on working all the same."""

    TARGET_MISSED = "target-missed"
    OVERDUE = "overdue"
    EXHAUSTED = "attempts-exhausted"


@dataclass(frozen=True, slots=True)
class UserDeleted:
    """The person deleted their account."""

    at: datetime
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class InventoryCompleted:
    """A holder froze and counted."""

    at: datetime
    holder: str
    found: dict[str, int]


@dataclass(frozen=True, slots=True)
class ErasureCompleted:
    """A holder erased."""

    at: datetime
    holder: str
    attempt: int
    outcomes: dict[str, Outcome]


@dataclass(frozen=True, slots=True)
class ScanFinished:
    """The scan of that run read everything. `findings` is how many things of the person it still saw."""

    at: datetime
    run: int
    findings: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Resend:
    """An operator asks to try again, with fresh patience."""

    at: datetime


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """Operators stop the erasure until a date, on a ground; in place of the hold there was.

    Args:     actor: who it was that confirmed it; hold_id: of the hold on the account.
    """

    at: datetime
    until: datetime
    ground: str
    actor: str
    hold_id: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Operators let a held erasure go on."""

    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class ItemReleased:
    """A hold on an item that the case waits for has ended."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RetainedLooked:
    """Somebody looked whether what the law kept is gone. Args: gone: the holdings of which nothing is left."""

    at: datetime
    gone: tuple[str, ...]


Order = Resend | PlaceHold | ReleaseHold
Input = (
    UserDeleted
    | InventoryCompleted
    | ErasureCompleted
    | ScanFinished
    | Tick
    | Order
    | ItemReleased
    | RetainedLooked
)


@dataclass(frozen=True, slots=True)
class PublishInventoryRequested:
    """Ask every holder to freeze and count."""


@dataclass(frozen=True, slots=True)
class PublishErasureRequested:
    """Ask every holder to erase but the last; or the last."""

    attempt: int
    last: bool = False


@dataclass(frozen=True, slots=True)
class StartScan:
    """Have everything read, from now on."""

    run: int


@dataclass(frozen=True, slots=True)
class IssueCertificate:
    """Sign what was proven."""


@dataclass(frozen=True, slots=True)
class AmendCertificate:
    """Sign that what was retained in these holdings is gone as well."""

    holdings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishVerified:
    """Tell that the person is gone."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Call for people."""

    reason: Attention


@dataclass(frozen=True, slots=True)
class Record:
    """Tell the audit what was done to the case. Args: actor: who did it, None for the platform itself."""

    action: str
    ground: str
    actor: str | None = None


Command = (
    PublishInventoryRequested
    | PublishErasureRequested
    | StartScan
    | IssueCertificate
    | AmendCertificate
    | PublishVerified
    | Alert
    | Record
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the saga is.

    Args:     silence: first wait for an answer, doubled up to `silence_cap`, without end;
              setback: first wait after a shortfall or a finding, doubled up to `setback_cap`, `setbacks` times;
              scan_timeout: how long one scan may take before another is started; target: the house's own goal;
              longest_hold: what must be held for longer is looked at again by people and held anew; held_cap: how
              often a holder is asked at least whether the items that it was to keep are held still; look_again:
              how soon it is looked again for what the law kept and should be gone.
    """

    silence: timedelta = timedelta(seconds=30)
    silence_cap: timedelta = timedelta(minutes=15)
    setback: timedelta = timedelta(seconds=2)
    setback_cap: timedelta = timedelta(minutes=5)
    setbacks: int = 6
    scan_timeout: timedelta = timedelta(seconds=60)
    target: timedelta = timedelta(hours=24)
    longest_hold: timedelta = timedelta(days=366)
    held_cap: timedelta = timedelta(days=1)
    look_again: timedelta = timedelta(days=1)


POLICY = Policy()


def backoff(first: timedelta, cap: timedelta, times: int) -> timedelta:
    """Return the wait after so many tries, doubled each time up to a cap."""
    return min(first * (1 << min(times, 20)), cap)
