"""`pixera hold`: keeping an item, or all of an account, from being erased, until a date and on a ground."""

import time
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.output import NO, UNKNOWN, AsJson, Level, console, emit, moment, table, told
from cli.platform import Platform
from cli.times import end_of

app = typer.Typer(help="Hold an item or an account; let it go again.", no_args_is_help=True)

ANSWER_EVERY_S = 0.3
ACCOUNTS = ("account", "case")
COLUMNS = ("", "id", "what", "state", "ground", "until", "placed by", "confirmed by")

HoldId = Annotated[UUID, typer.Argument(metavar="HOLD", help="The hold's id.")]


class Ground(StrEnum):
    """Why something is held."""

    LEGAL_CLAIM = "legal-claim"
    PAYMENT_DISPUTE = "payment-dispute"
    COURT_ORDER = "court-order"
    AUTHORITY_REQUEST = "authority-request"
    ABUSE_REPORT = "abuse-report"


UntilDate = Annotated[
    str, typer.Option(metavar="DATE", help="The last day of the hold, or a time as 2026-12-31T18:00Z.")
]
Why = Annotated[Ground, typer.Option(help="Why. The person is told less: a claim, or an obligation.")]


@app.command("place")
def place(  # noqa: PLR0917 - typer passes options by name
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="gallery.images, billing.payments …; account; case.")
    ],
    target: Annotated[
        UUID, typer.Argument(metavar="ID", help="Of the item; of the person; of the erasure case.")
    ],
    until: UntilDate,
    ground: Why,
    wait: Annotated[
        float, typer.Option(min=0, help="How many seconds to wait for its service's answer.")
    ] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Hold an item, or ask for a hold on an account, until a date. It is audited, and ends by itself.

    An erasure erases all but a held item, waits for it, and finishes by itself. An account is held when another
    operator confirms it. Exit 1 where it is too late or there is no such item, 2 where its service has not answered.
    """
    kind = {"kind": what} if what in ACCOUNTS else {"kind": "item", "holding": what}
    asked = {
        "target": kind | {"id": str(target)},
        "until": end_of(until).isoformat(),
        "ground": ground.value,
    }
    platform = Platform()
    hold = platform.staff("POST", "privacy", "/holds", json=asked)
    _show(_answered(platform, hold, wait), as_json=as_json)


@app.command("confirm")
def confirm(hold_id: HoldId, as_json: AsJson = False) -> None:
    """Confirm what another operator asked for: that an account is held, or that its hold ends before its date.

    Exit 1 where you asked for it yourself, it waits for nobody, or it is too late.
    """
    _show(Platform().staff("POST", "privacy", f"/holds/{hold_id}/confirm"), as_json=as_json)


@app.command("release")
def release(hold_id: HoldId, as_json: AsJson = False) -> None:
    """End a hold on an item before its date; of one on an account, ask for it: another operator confirms it.

    Exit 1 where the hold is not in force.
    """
    _show(Platform().staff("POST", "privacy", f"/holds/{hold_id}/release"), as_json=as_json)


@app.command("show")
def show(hold_id: HoldId, as_json: AsJson = False) -> None:
    """Show one hold: who placed it and why, and what became of it."""
    _show(Platform().staff("GET", "privacy", f"/holds/{hold_id}"), as_json=as_json)


@app.command("list")
def list_holds(
    limit: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 50,
    only_open: Annotated[bool, typer.Option("--open", help="Only those in force, or about to be.")] = False,
    as_json: AsJson = False,
) -> None:
    """List holds, the newest first."""
    holds = Platform().staff_pages("privacy", "/holds", "cursor", limit, {"open": only_open})
    if as_json:
        emit(holds)
    elif holds:
        table("Holds", COLUMNS, map(_row, holds))
    else:
        console().print("Nothing is held." if only_open else "Nothing was ever held.")


def _answered(platform: Platform, hold: dict[str, Any], within_s: float) -> dict[str, Any]:
    """Return a hold as it is when its service has answered, or has had the time for it."""
    until = time.monotonic() + within_s
    while hold["state"] == "asked" and time.monotonic() < until:
        time.sleep(ANSWER_EVERY_S)
        hold = platform.staff("GET", "privacy", f"/holds/{hold['id']}")
    return hold


def _show(hold: dict[str, Any], *, as_json: bool) -> None:
    """Print a hold, and end with what it came to."""
    if as_json:
        emit(hold)
    else:
        table("Hold", ("", "what"), [(name, _shown(name, value)) for name, value in hold.items()])
        console().print(_level(hold).sign, SAID.get(hold["state"], ""), _next(hold))
    if hold["state"] in ("too-late", "absent"):
        raise typer.Exit(NO)
    if hold["state"] == "asked":
        raise typer.Exit(UNKNOWN)


SAID = {
    "asked": "Its service has not answered yet: nobody knows whether it is kept.",
    "unconfirmed": "It is not in force yet.",
    "in-force": "It is kept.",
    "too-late": "It came too late: its person's erasure had begun, and nothing is kept.",
    "absent": "There is no such item, or it is being deleted.",
    "ended": "It has ended.",
}


def _next(hold: dict[str, Any]) -> str:
    if hold["waits_for"] != "second-operator":
        return ""
    return f"Another operator confirms it: pixera hold confirm {hold['id']}"


def _shown(name: str, value: Any) -> Any:
    return moment(value) if name == "until" or name.endswith("_at") else value


def _level(hold: dict[str, Any]) -> Level:
    if hold["state"] in ("too-late", "absent"):
        return Level.FAILING
    return Level.LATE if hold["waits_for"] else Level.WELL


def _row(hold: dict[str, Any]) -> list[Any]:
    level = _level(hold)
    return [
        level.sign,
        hold["id"],
        f"{hold['what']} {hold['item_id'] or ''}".strip(),
        told(level, hold["state"]),
        hold["ground"],
        moment(hold["until"]),
        hold["placed_by"],
        hold["confirmed_by"],
    ]
