"""Time and identifiers, made in one place so that every process makes them alike."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

MOST_APART = timedelta(seconds=30)
"""How far the clocks of two machines may differ. It is what `PixeraClockOff` allows as well."""


def now() -> datetime:
    """Return the present in UTC, cut to milliseconds.

    Source:   BSON dates hold milliseconds; a finer value would not equal itself after a round trip.
    """
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """Return a moment in UTC, cut to milliseconds."""
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> UUID:
    """Return a fresh time-ordered opaque identifier.

    Source:   RFC 9562, UUID version 7: rows sort by their time of making, and nothing else is told.
    """
    return uuid7()
