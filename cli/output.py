"""How commands speak: tables for people, JSON for programs, one exit code for both.

What is well, late or failing has a sign and a word beside its colour: nobody needs to see colours to read it.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

NO, UNKNOWN = 1, 2
"""Exit codes beside 0: the answer is no; it could not be found out."""
EXIT_CODES = (
    "Exit codes: 0 yes, or done · 1 the answer is no, or something is not well · 2 it could not be found out."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

UNBROKEN = ("", "case", "id", "group", "state", "deadline", "hash")
"""Columns whose values are to be copied, or read at a glance: they are not broken over lines."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400
DUE_SOON_S = 7 * DAY


class Level(IntEnum):
    """How bad something is."""

    WELL, LATE, FAILING = range(3)

    @property
    def style(self) -> str:
        """Return its colour."""
        return ("green", "yellow", "red")[self]

    @property
    def sign(self) -> Text:
        """Return its sign, which says the same without the colour."""
        return Text(("✔", "!", "✘")[self], style=self.style)


def console() -> Console:
    """Return the terminal; made anew each time, so that it follows a redirected stdout."""
    return Console(highlight=False, soft_wrap=False)


def emit(value: Any) -> None:
    """Print JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def complain(reason: str) -> None:
    """Say on stderr what is wrong."""
    Console(stderr=True, highlight=False).print(Text(plain(reason), style="red"), soft_wrap=True)


def note(what: str) -> None:
    """Say something beside what was asked for, on stderr."""
    Console(stderr=True, highlight=False).print(Text(plain(what)), soft_wrap=True)


def fail(reason: str) -> NoReturn:
    """Say on stderr why it could not be found out, and end."""
    complain(reason)
    raise typer.Exit(UNKNOWN)


def working() -> Status:
    """Return a line that says how far long work has come, on stderr and on terminals only."""
    return Console(stderr=True, highlight=False).status("…")


def progress() -> Progress:
    """Return a bar of how far long work has come, on stderr and on terminals only."""
    terminal = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal)


def mark(good: bool) -> Text:
    """Return a tick or a cross."""
    return (Level.WELL if good else Level.FAILING).sign


def told(level: Level, what: str) -> Text:
    """Return words in the colour of how bad they are."""
    return Text(plain(what), style=level.style)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table."""
    console().print(grid(title, columns, rows))


def grid(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table.

    Nothing in the values is markup or moves the cursor: a forged file cannot draw on the screen.
    """
    shown = Table(
        title=Text("\n".join(map(plain, title.splitlines())), style="bold"),
        title_justify="left",
        header_style="dim",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        shown.add_column(column, overflow="fold", no_wrap=column in UNBROKEN)
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    return shown


def plain(cell: Any) -> str:
    """Return a value as text that only says something."""
    if cell is None:
        return "-"
    text = ", ".join(map(str, cell)) if isinstance(cell, list) else str(cell)
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def lasting(seconds: float) -> str:
    """Return a length of time as people say it."""
    for unit, name in ((DAY, "day"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if name == 'day' and count > 1 else ''}"
    return f"{int(seconds)} s"


def moment(stamp: str | None) -> str:
    """Return a time of the platform's to the second, in UTC."""
    if stamp is None:
        return "-"
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def seconds_until(stamp: str) -> float:
    """Return how far away a time is; below 0 it is over."""
    return (datetime.fromisoformat(stamp) - datetime.now(UTC)).total_seconds()


def due(stamp: str) -> Text:
    """Return how far away a deadline is."""
    left = seconds_until(stamp)
    if left < 0:
        return told(Level.FAILING, f"due {lasting(-left)} ago")
    return told(Level.LATE if left < DUE_SOON_S else Level.WELL, f"due in {lasting(left)}")
