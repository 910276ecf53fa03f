"""A request's states and what leads from one to another. Pure: a case and the clock in, the changed case out.

UNPROVEN ─ proven ─► ACCEPTED ─ fulfilled ─► CLOSED
OPEN ─ answered, confirmed ─────────────────► CLOSED    (what needs no proof: questions, reports)
any but CLOSED ─ cancelled, refused, answered to the end ─► CLOSED; UNPROVEN ─ its time is over ─► CLOSED
"""

from datetime import datetime

from services.privacy.errors import (
    AlreadyExtended,
    AlreadyProven,
    NoMinorReport,
    NotCancellable,
    RequestClosed,
)
from services.privacy.requests import kinds
from services.privacy.requests.kinds import Kind
from services.privacy.requests.models import PersonRequest, ProvenBy, State

CANCELLED, ANSWERED, REFUSED, LAPSED, JOINED = "cancelled", "answered", "refused", "lapsed", "joined"
CONFIRMED = "confirmed"


def prove(case: PersonRequest, by: ProvenBy, at: datetime) -> None:
    """Note that it is proven who asks. Raises RequestClosed, AlreadyProven (409)."""
    _require_open(case)
    if case.state is not State.UNPROVEN:
        raise AlreadyProven
    case.state, case.proven_by, case.proven_at = State.ACCEPTED, by, at


def cancel(case: PersonRequest, at: datetime) -> None:
    """End a request because its person does not want it any more.

    Raises:   RequestClosed (409); NotCancellable (409): services act on it already.
    """
    _require_open(case)
    if case.state is State.ACCEPTED and case.kind.is_carried_out_at_once:
        raise NotCancellable
    close(case, CANCELLED, at)


def extend(case: PersonRequest, at: datetime) -> None:
    """Give a request two further months, once, and before it is due. Raises RequestClosed, AlreadyExtended (409)."""
    _require_open(case)
    if case.extended_at is not None or case.due_at <= at:
        raise AlreadyExtended
    case.extended_at, case.due_at = at, kinds.extended(case.due_at)
    case.remind_at = kinds.remind_at(at, case.due_at)


def write(case: PersonRequest) -> None:
    """Let somebody write. Raises RequestClosed (409)."""
    _require_open(case)


def confirm_minor(case: PersonRequest, at: datetime) -> None:
    """End a report of a minor because staff found it to be true. Raises RequestClosed, NoMinorReport (409)."""
    _require_open(case)
    if case.kind is not Kind.MINOR_REPORT:
        raise NoMinorReport
    close(case, CONFIRMED, at)


def close(case: PersonRequest, outcome: str, at: datetime) -> None:
    """End a request. Raises RequestClosed (409)."""
    _require_open(case)
    case.state, case.open, case.outcome, case.closed_at = State.CLOSED, False, outcome, at
    case.remind_at = None


def _require_open(case: PersonRequest) -> None:
    if case.state is State.CLOSED:
        raise RequestClosed
