"""`pixera data-map`: the record of processing activities, as the code declares it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import AsJson, emit, fail, table

CONTRACTS = Path(__file__).parents[1] / "contracts"


class Format(StrEnum):
    """The forms that the data map is kept in."""

    MARKDOWN = "markdown"
    JSON = "json"
    FIDES = "fides"


FILES = {
    Format.MARKDOWN: "data-map.md",
    Format.JSON: "data-map.json",
    Format.FIDES: "data-map.fides.yml",
}


def show(
    form: Annotated[
        Format | None, typer.Option("--format", help="Print the whole map as it is committed, in this form.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is held of people: why, on what ground, how long, and who gets it (GDPR Art. 30).

    `make data-map` writes it anew from the declarations in the code; exit 2 where it is not there.
    """
    if form is not None:
        typer.echo(_read(FILES[form]), nl=False)
        return
    record = json.loads(_read(FILES[Format.JSON]))
    if as_json:
        emit(record)
    else:
        _show(record)


def _read(name: str) -> str:
    try:
        return (CONTRACTS / name).read_text()
    except OSError:
        fail(f"contracts/{name} cannot be read: `make data-map` writes it.")


def _show(record: dict[str, Any]) -> None:
    holdings = [*record["holdings"], *record["kept_by_every_service"]]
    rows = [row for holding in holdings for row in _rows(holding)]
    table("What is held of people", ("holding", "category", "why", "kept", "recipients"), rows)
    parties = [
        [each["processor"], each["task"], each["country"], each["safeguard"], each["at_erasure"]]
        for each in record["processors"]
    ]
    table("\nWho else gets it", ("name", "what for", "country", "safeguard", "at erasure"), parties)


def _rows(holding: dict[str, Any]) -> list[list[str]]:
    """Return one row for each category that is held for one reason; the first has the holding's name."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for field in holding["fields"]:
        reason = (field["category"], f"{field['purpose']}, {field['basis']}", field["kept"])
        found.setdefault(reason, []).extend(field["recipients"])
    rows = [[*reason, ", ".join(dict.fromkeys(names))] for reason, names in found.items()]
    return [[holding["holding"] if number == 0 else "", *row] for number, row in enumerate(rows)]
