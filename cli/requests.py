"""`pixera requests`: what people asked for, what is due, and answering it.

What people wrote, and what is written to them, is never on a command line: it comes from the standard input.
"""

import sys
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from cli.output import NO, AsJson, Level, console, due, emit, fail, moment, table, told
from cli.platform import Platform

app = typer.Typer(help="See what people ask for, what is due first, and answer it.", no_args_is_help=True)

RequestId = Annotated[UUID, typer.Argument(metavar="REQUEST", help="The request's id.")]


class Ending(StrEnum):
    """How an answer ends a request."""

    ANSWERED = "answered"
    REFUSED = "refused"


class Ground(StrEnum):
    """How staff made sure for whom somebody asks."""

    DOCUMENTS_CHECKED = "documents-checked"
    POWER_OF_ATTORNEY = "power-of-attorney"
    LEGAL_GUARDIAN = "legal-guardian"
    AUTHORITY = "authority"


@app.command("list")
def list_requests(
    limit: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 50,
    kind: Annotated[str | None, typer.Option(help="Only those of a kind, such as minor-report.")] = None,
    reference: Annotated[str | None, typer.Option(help="The one with this reference.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List requests, what is due first. Exit 1 where one is overdue."""
    asked = {"open": not every, "kind": kind, "reference": reference}
    params = {name: value for name, value in asked.items() if value is not None}
    found = Platform().staff_pages("privacy", "/requests", "cursor", limit, params)
    if as_json:
        emit(found)
    elif found:
        columns = ("", "request", "reference", "kind", "state", "due", "made", "proven by")
        table("Requests", columns, [_row(each) for each in found])
    else:
        console().print("There is no request.")
    if any(_level(each) is Level.FAILING for each in found):
        raise typer.Exit(NO)


@app.command("show")
def show_request(request_id: RequestId, as_json: AsJson = False) -> None:
    """Show one request with what was written in it. The audit ledger notes who looked."""
    shown = Platform().staff("GET", "privacy", f"/requests/{request_id}")
    if as_json:
        emit(shown)
        return
    facts = [(name, _shown(name, value)) for name, value in shown.items() if name != "messages"]
    table("Request", ("", "what"), facts)
    rows = [
        (moment(each["created_at"]), each["author"], " ".join(each["text"].split()))
        for each in shown["messages"]
    ]
    table("\nWritten", ("at (UTC)", "by", "text"), rows)


@app.command("answer")
def answer(
    request_id: RequestId,
    ends_as: Annotated[Ending | None, typer.Option(help="End the request with this answer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write to the person what the standard input says. Exit 1 where the request is closed."""
    body = {"message": _typed("Answer"), "ends_as": ends_as}
    _tell(Platform().staff("POST", "privacy", f"/requests/{request_id}/answers", json=body), as_json=as_json)


@app.command("extend")
def extend(request_id: RequestId, as_json: AsJson = False) -> None:
    """Take two further months, once: the standard input says why, as the person is told.

    Exit 1 where it is too late.
    """
    body = {"reason": _typed("Reason")}
    _tell(
        Platform().staff("POST", "privacy", f"/requests/{request_id}/extension", json=body), as_json=as_json
    )


@app.command("confirm")
def confirm(
    request_id: RequestId,
    ground: Annotated[Ground | None, typer.Option(help="How it was found out whose account it is.")] = None,
    minor: Annotated[
        bool, typer.Option("--minor", help="The account is a minor's: close and erase it at once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Confirm by hand whose account a request is about, or that one is a minor's.

    The standard input names the account. Exit 1 where there is nothing to confirm.
    """
    if minor == (ground is not None):
        fail("Say either --ground, how it was found out whose account it is, or --minor.")
    platform, path = Platform(), f"/requests/{request_id}"
    account = platform.staff(
        "POST", "auth", "/people/look-up", json={"login": _typed("Address or username of the account")}
    )
    if minor:
        done = platform.staff("POST", "privacy", f"{path}/minor", json=account)
    else:
        done = platform.staff("POST", "privacy", f"{path}/identity", json=account | {"ground": ground})
    _tell(done, as_json=as_json)


def _typed(what: str) -> str:
    """Return what the standard input says; it is asked for where somebody sits there."""
    text = (typer.prompt(what, err=True) if sys.stdin.isatty() else sys.stdin.read()).strip()
    if not text:
        fail(f"{what}: the standard input says nothing.")
    return str(text)


def _tell(request: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(request)
        return
    outcome = f" ({request['outcome']})" if request["outcome"] else ""
    console().print(
        f"{request['reference']} is {request['state']}{outcome}, due {moment(request['due_at'])}."
    )


def _row(each: dict[str, Any]) -> list[Any]:
    level = _level(each)
    return [
        level.sign,
        each["id"],
        each["reference"],
        told(Level.LATE, each["kind"]) if each["urgent"] else each["kind"],
        each["state"],
        Text(each["outcome"] or "-") if not each["open"] else due(each["due_at"]),
        moment(each["created_at"]),
        each["proven_by"] or "-",
    ]


def _level(each: dict[str, Any]) -> Level:
    if not each["open"]:
        return Level.WELL
    if each["overdue"]:
        return Level.FAILING
    return Level.LATE if each["due_soon"] or each["urgent"] else Level.WELL


def _shown(name: str, value: Any) -> Any:
    return moment(value) if name.endswith("_at") else value
