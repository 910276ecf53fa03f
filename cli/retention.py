"""`pixera retention`: for how long everything is kept, what ends it, and whether that works."""

from typing import Annotated, Any

import typer

from cli.letters import Chosen
from cli.output import HOUR, NO, AsJson, Level, console, emit, lasting, moment, table, told

app = typer.Typer(help="See how retention is enforced.", no_args_is_help=True)

LATE_S = 2 * HOUR
"""Twice as long as sweeps are apart: what is overdue for longer, nobody sweeps."""
COLUMNS = ("", "holding", "kept", "ground", "ended by", "last sweep", "removed", "left alone", "overdue")


@app.command("report")
def report(
    service: Annotated[str | None, typer.Option(help="One service; every one if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell of every holding how long it is kept and on what ground, what the last sweep removed, and what is overdue.

    Exit 1 where something should have gone two hours ago, or the database lacks an index that was to remove it.
    """
    chosen = Chosen(service)
    services = list(chosen.each(lambda name: chosen.platform.staff("GET", name, "/retention")).values())
    holdings = [held for each in services for held in each["holdings"]]
    if as_json:
        emit(services)
    else:
        table("Retention", COLUMNS, map(_row, holdings))
        for held in holdings:
            _explain(held)
    chosen.end(NO if any(_level(held) is Level.FAILING for held in holdings) else 0)


def _level(held: dict[str, Any]) -> Level:
    if held["oldest_overdue_seconds"] > LATE_S or _missing(held):
        return Level.FAILING
    swept = "sweep" not in held["ended_by"] or held["last_completed_at"]
    return Level.WELL if swept else Level.LATE


def _missing(held: dict[str, Any]) -> list[str]:
    return [each["index"] for each in held["expiry"] if not each["live"]]


def _row(held: dict[str, Any]) -> list[Any]:
    level = _level(held)
    overdue = held["overdue"] or bool(held["oldest_overdue_seconds"])
    since = f"{held['overdue'] or ''} since {lasting(held['oldest_overdue_seconds'])}".strip()
    return [
        level.sign,
        held["holding"],
        "; ".join(held["kept"]),
        ", ".join(held["grounds"]),
        ", ".join(held["ended_by"]),
        moment(held["last_completed_at"]),
        held["removed"],
        held["left_alone"],
        told(level, since) if overdue else "-",
    ]


def _explain(held: dict[str, Any]) -> None:
    """Say what is wrong with a holding, and what to do."""
    for index in _missing(held):
        console().print(
            Level.FAILING.sign,
            f"{held['holding']}: the database has no index that removes rows by `{index}`: "
            "it is made when a process of the service starts.",
        )
