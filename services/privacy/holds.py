"""When an erasure may be held, and when it is too late for that."""

from datetime import datetime

from libs.common.clock import now
from services.privacy import saga
from services.privacy.errors import HoldTooLate, HoldUnfit, NotHeld
from services.privacy.models import Case
from services.privacy.protocol import Policy


def require_end(until: datetime, policy: Policy) -> None:
    """Raises: HoldUnfit (422): a hold ends in the future, and before long, so that people look at it again."""
    at = now()
    if not at < until <= at + policy.longest_hold:
        raise HoldUnfit(f"a hold ends in the future, within {policy.longest_hold.days} days")


def require_holdable(case: Case) -> None:
    """Raises: HoldTooLate (409), with the holders that are known to have erased already."""
    if saga.may_hold(case.saga):
        return
    answered = sorted(name for name, part in case.saga.holders.items() if part.answered)
    known = f"they have answered: {', '.join(answered)}" if answered else "none has answered yet"
    raise HoldTooLate(
        f"the services were asked to erase, and that cannot be called back; {known}", answered=[*answered]
    )


def require_held(case: Case) -> None:
    """Raises: NotHeld (409)."""
    if case.saga.hold is None:
        raise NotHeld
