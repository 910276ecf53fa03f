"""Times that people give: one way to write them, and UTC where no zone is named."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.output import fail, plain

A_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
FORMATS = ["%Y-%m-%d", *(f"%Y-%m-%dT%H:%M{more}" for more in ("", "%z", ":%S", ":%S%z", ":%S.%f%z"))]

Since = Annotated[
    datetime | None, typer.Option(formats=FORMATS, help="From then on; UTC where it names no zone.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=FORMATS, help="Before then; UTC where it names no zone.")
]


def in_utc(moment: datetime) -> datetime:
    """Return a moment with its zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def dated(since: datetime | None, until: datetime | None) -> dict[str, str]:
    """Return the parameters that bound the time."""
    moments = {"since": since, "until": until}
    return {name: in_utc(moment).isoformat() for name, moment in moments.items() if moment}


def end_of(text: str) -> datetime:
    """Return the moment that a day's end, or a time, means, in UTC where no zone is given; exit 2 where neither."""
    try:
        return _end_of(text)
    except (ValueError, OverflowError):
        fail(f"{plain(text)} is no date: write it as 2026-12-31, or with a time as 2026-12-31T18:00Z.")


def _end_of(text: str) -> datetime:
    """Return what a text means, of the two forms that we name. Raises: ValueError, OverflowError: it is none."""
    if A_DAY.fullmatch(text):
        return in_utc(datetime.fromisoformat(text)) + timedelta(days=1)
    if "T" in text:
        return in_utc(datetime.fromisoformat(text))
    raise ValueError
