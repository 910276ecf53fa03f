"""How commands speak: tables for people, JSON for programs, one exit code for both."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

NO, UNKNOWN = 1, 2
"""Exit codes beside 0: the answer is no; it could not be found out."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def console() -> Console:
    """Return the terminal; made anew each time, so that it follows a redirected stdout."""
    return Console(highlight=False, soft_wrap=False)


def emit(value: Any) -> None:
    """Print JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def fail(reason: str) -> NoReturn:
    """Say on stderr why it could not be found out, and end."""
    Console(stderr=True, highlight=False).print(Text(reason, style="red"))
    raise typer.Exit(UNKNOWN)


def mark(good: bool) -> Text:
    """Return a tick or a cross."""
    return Text("✔", style="green") if good else Text("✘", style="red")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table. Nothing in the values is markup or moves the cursor: a forged file cannot draw on the screen."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(_plain(cell)) for cell in row))
    console().print(shown)


def _plain(cell: Any) -> str:
    if cell is None:
        return "-"
    text = ", ".join(map(str, cell)) if isinstance(cell, list) else str(cell)
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
