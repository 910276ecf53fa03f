"""Times that people give: one way to write them, and UTC where no zone is named."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.output import fail, plain

DAY_LETTERS = len("2026-12-31")
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]

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
        given = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{plain(text)} is no date: write it as 2026-12-31, or with a time as 2026-12-31T18:00Z.")
    given = in_utc(given)
    return given + timedelta(days=1) if len(text) == DAY_LETTERS else given
