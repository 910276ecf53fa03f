"""Which notices a buyer's choice causes, when and how often: as real providers do, late, twice and out of order."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Choice(StrEnum):
    """What a buyer can choose on the hosted page instead of typing a card."""

    APPROVE = "approve"
    APPROVE_LATER = "approve-later"
    DECLINE = "decline"
    INSUFFICIENT_FUNDS = "insufficient-funds"

    @property
    def pays(self) -> bool:
        """Tell whether the payment goes through."""
        return self in (Choice.APPROVE, Choice.APPROVE_LATER)


class NoticeType(StrEnum):
    """What a notice tells."""

    PENDING = "payment.pending"
    COMPLETED = "payment.completed"
    FAILED = "payment.failed"
    REFUNDED = "payment.refunded"


@dataclass(frozen=True, slots=True)
class Rules:
    """When notices go out, and which checkouts are told badly on purpose; the n-th of them, 0 for none."""

    duplicate_every: int
    reorder_every: int
    settle: timedelta
    later: timedelta


@dataclass(frozen=True, slots=True)
class Faults:
    """Which requests to erase go wrong on purpose; every n-th, 0 for none."""

    refuse_every: int = 0
    lose_every: int = 0

    def refuses(self, number: int) -> bool:
        """Tell whether a request is turned away."""
        return _is_nth(number, self.refuse_every)

    def loses(self, number: int) -> bool:
        """Tell whether a request is carried out and its answer lost."""
        return _is_nth(number, self.lose_every)


@dataclass(frozen=True, slots=True)
class Planned:
    """A notice to deliver from `due_at` on, `copies` times."""

    type: NoticeType
    due_at: datetime
    copies: int = 1


def plan(choice: Choice, number: int, rules: Rules, moment: datetime) -> list[Planned]:
    """Return the notices that a choice causes.

    Args:     number: the checkout's, counted from 1: what goes wrong on purpose depends on it alone.
    """
    outcome = NoticeType.COMPLETED if choice.pays else NoticeType.FAILED
    wait = rules.later if choice is Choice.APPROVE_LATER else rules.settle
    copies = 2 if _is_nth(number, rules.duplicate_every) else 1
    if _is_nth(number, rules.reorder_every):
        return [Planned(outcome, moment, copies), Planned(NoticeType.PENDING, moment + wait)]
    return [Planned(NoticeType.PENDING, moment), Planned(outcome, moment + wait, copies)]


def _is_nth(number: int, every: int) -> bool:
    return every > 0 and number % every == 0
