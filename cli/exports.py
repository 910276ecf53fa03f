"""`pixera export`: the archives that people are being made of their data, and trying again what sticks."""

from typing import Annotated, Any
from uuid import UUID

import typer

from cli.output import NO, AsJson, Level, console, emit, moment, table, told
from cli.platform import Platform

app = typer.Typer(
    help="Follow exports of people's data, and try again. What is in them, no operator sees.",
    no_args_is_help=True,
)

CaseId = Annotated[UUID, typer.Argument(metavar="CASE", help="The request's id, or the export's own.")]
LEVELS = {"gathering": Level.LATE, "packing": Level.LATE, "ready": Level.WELL, "removed": Level.WELL}
COLUMNS = ("export", "state", "requested", "ready", "removed on", "files", "tries", "waits for")


@app.command("list")
def list_exports(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List exports, those that people wait for first. Exit 1 while there are any."""
    exports = Platform().staff("GET", "privacy", "/exports", params={"limit": limit})["exports"]
    if as_json:
        emit(exports)
    elif exports:
        table("Exports", COLUMNS, [_row(each) for each in exports])
    else:
        console().print("There is no export yet.")
    if any(each["ready_at"] is None for each in exports):
        raise typer.Exit(NO)


@app.command("show")
def show_export(case: CaseId, as_json: AsJson = False) -> None:
    """Show how far the export of a case is. It is audited. Exit 1 while it is not ready."""
    _show(Platform().staff("GET", "privacy", f"/exports/{case}"), as_json=as_json)


@app.command("retry")
def retry_export(case: CaseId, as_json: AsJson = False) -> None:
    """Ask again for what the export of a case waits for. It is audited. Exit 1 while it is not ready."""
    _show(Platform().staff("POST", "privacy", f"/exports/{case}/retry"), as_json=as_json)


def _show(export: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(export)
    else:
        table("Export", COLUMNS, [_row(export)])
    if export["ready_at"] is None:
        raise typer.Exit(NO)


def _row(each: dict[str, Any]) -> list[Any]:
    return [
        each["export_id"],
        told(LEVELS[each["state"]], each["state"]),
        moment(each["requested_at"]),
        moment(each["ready_at"]),
        moment(each["expires_at"]),
        each["files"],
        each["tries"],
        ", ".join(each["waiting_for"]) or "-",
    ]
