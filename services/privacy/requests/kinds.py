"""What can be asked for, and what each kind needs."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast, get_args

from libs.common.events.privacy import RequestKind
from services.privacy.state import one_month_after

URGENT = timedelta(days=3)
MONTHS_MORE = 2
"""Source: GDPR Art. 12(3): extended by two further months where necessary."""
REMINDED_BEFORE = timedelta(days=7)


class Kind(StrEnum):
    """What a request is about. Those that are a right of GDPR Art. 7(3), 15-21 change or disclose something."""

    QUESTION = "question"
    ACCESS = "access"
    PORTABILITY = "portability"
    ERASURE = "erasure"
    RECTIFICATION = "rectification"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    WITHDRAWAL = "withdrawal"
    MINOR_REPORT = "minor-report"
    ABUSE_REPORT = "abuse-report"

    @property
    def right(self) -> RequestKind | None:
        """Return the right that is exercised, by which services know it; None where none is."""
        return cast("RequestKind", self.value) if self.value in get_args(RequestKind) else None

    @property
    def is_urgent(self) -> bool:
        """Tell whether somebody may be harmed by each day that passes."""
        return self is Kind.MINOR_REPORT

    @property
    def is_report(self) -> bool:
        """Tell whether it is about somebody else: the next one of the same person may be about another."""
        return self in {Kind.MINOR_REPORT, Kind.ABUSE_REPORT}

    @property
    def is_carried_out_at_once(self) -> bool:
        """Tell whether services act as soon as it is accepted, so that it cannot be called back."""
        return self in {Kind.ERASURE, Kind.RESTRICTION, Kind.OBJECTION, Kind.WITHDRAWAL}


def due_at(kind: Kind, received_at: datetime) -> datetime:
    """Return until when a request has to be answered. Source: GDPR Art. 12(3)."""
    return received_at + URGENT if kind.is_urgent else one_month_after(received_at)


def extended(due: datetime) -> datetime:
    """Return the due date of a request that needs longer."""
    for _ in range(MONTHS_MORE):
        due = one_month_after(due)
    return due


def remind_at(received_at: datetime, due: datetime) -> datetime:
    """Return when people are reminded: a week before, and of what is urgent when half of the time is over."""
    return due - min(REMINDED_BEFORE, (due - received_at) / 2)
