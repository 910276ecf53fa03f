"""`pixera erasure`: what is being erased and how far it has come; trying again, holding, letting go."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from cli.output import AsJson, Level, console, due, emit, fail, moment, plain, table, told
from cli.platform import Platform
from cli.times import in_utc

app = typer.Typer(help="Follow erasures, try again, hold them.", no_args_is_help=True)

CaseId = Annotated[UUID, typer.Argument(metavar="CASE", help="The case's id.")]
DAY_LETTERS = len("2026-12-31")


@app.command("list")
def list_cases(
    limit: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 50,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not VERIFIED.")] = False,
    as_json: AsJson = False,
) -> None:
    """List cases: open ones first, the soonest due before the others."""
    cases = Platform().staff_pages("privacy", "/cases", "cursor", limit)
    if only_open:
        cases = [case for case in cases if case["state"] != "VERIFIED"]
    if as_json:
        emit(cases)
        return
    if not cases:
        console().print("No erasure is open." if only_open else "There is no erasure yet.")
        return
    columns = ("", "case", "state", "requested", "deadline", "attempt", "waits for")
    table("Erasures", columns, [_row(case) for case in cases])


@app.command("show")
def show_case(case_id: CaseId, as_json: AsJson = False) -> None:
    """Show one case: what each service found and erased, and what happened when."""
    _show(Platform().staff("GET", "privacy", f"/cases/{case_id}"), as_json=as_json)


@app.command("resend")
def resend(case_id: CaseId, as_json: AsJson = False) -> None:
    """Ask again for what the case waits for, with fresh patience."""
    _show(Platform().staff("POST", "privacy", f"/cases/{case_id}/resend"), as_json=as_json)


@app.command("hold")
def hold(
    case_id: CaseId,
    until: Annotated[
        str, typer.Option(metavar="DATE", help="The last day of the hold, or a time as 2026-12-31T18:00Z.")
    ],
    ground: Annotated[str, typer.Option(metavar="CODE", help="Why, as a code: legal-claim, court-order …")],
    as_json: AsJson = False,
) -> None:
    """Erase nothing for now: the person stays hidden and frozen until a date, on a ground. It is audited.

    The deadline stays as it is. A second hold replaces the first. Exit 1 where the services were asked to erase
    already: that cannot be called back.
    """
    wanted = {"until": _end_of(until).isoformat(), "ground": ground}
    _show(Platform().staff("POST", "privacy", f"/cases/{case_id}/hold", json=wanted), as_json=as_json)


@app.command("release")
def release(case_id: CaseId, as_json: AsJson = False) -> None:
    """End a hold before its date; the erasure goes on at once. It is audited. Exit 1 where there is no hold."""
    _show(Platform().staff("POST", "privacy", f"/cases/{case_id}/release"), as_json=as_json)


def _end_of(text: str) -> datetime:
    """Return the moment that a day's end, or a time, means; in UTC where no zone is given."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{plain(text)} is no date: write it as 2026-12-31, or with a time as 2026-12-31T18:00Z.")
    given = in_utc(given)
    return given + timedelta(days=1) if len(text) == DAY_LETTERS else given


def _row(case: dict[str, Any]) -> list[Any]:
    level = _level(case)
    return [
        level.sign,
        case["case_id"],
        told(level, case["state"]),
        moment(case["requested_at"]),
        _deadline(case),
        case["attempt"],
        _waits_for(case),
    ]


def _level(case: dict[str, Any]) -> Level:
    if "overdue" in case["attention"]:
        return Level.FAILING
    return Level.LATE if case["attention"] or case["state"] == "INCOMPLETE" else Level.WELL


def _deadline(case: dict[str, Any]) -> Text:
    return Text(f"done {moment(case['verified_at'])}") if case["verified_at"] else due(case["due_at"])


def _waits_for(case: dict[str, Any]) -> str:
    """Return what the case waits for, and why people should look at it."""
    waits = [*case["waiting_for"], *(f"people: {reason}" for reason in case["attention"])]
    if held := case["hold"]:
        waits.append(f"the hold's end {moment(held['until'])} ({held['ground']})")
    return ", ".join(waits) or "-"


def _show(case: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(case)
        return
    level = _level(case)
    line = Text.assemble(
        level.sign, f" Case {case['case_id']}  ", told(level, case["state"]), "  ", _deadline(case)
    )
    console().print(line, f"  waits for: {plain(_waits_for(case))}\n", sep="\n")
    columns = ("", "holder", "state", "holding", "found", "erased", "retained", "ground")
    table("Holders", columns, _holdings(case))
    if case["holds"]:
        rows = [
            (moment(each["since"]), moment(each["until"]), moment(each["ended_at"]), each["ground"])
            for each in case["holds"]
        ]
        table("\nHolds", ("since", "until", "ended", "ground"), rows)
    names = ("what", "holder", "number", "count")
    rows = [(moment(line["at"]), *(line[name] for name in names)) for line in case["timeline"]]
    table("\nTimeline", ("at (UTC)", *names), rows)


def _holdings(case: dict[str, Any]) -> list[Any]:
    names = ("holding", "found", "erased", "retained", "ground")
    return [
        (*_holder(part), *(held[name] for name in names))
        for part in case["holders"]
        for held in part["holdings"] or [dict.fromkeys(names)]
    ]


def _holder(part: dict[str, Any]) -> tuple[Text, str, Text]:
    """Return how far one service has come: counted and frozen, or all it found explained."""
    if part["erased"]:
        return Level.WELL.sign, part["holder"], told(Level.WELL, "erased")
    state = "frozen" if part["inventoried"] else "awaited"
    return (
        Text("·", style="dim"),
        part["holder"],
        Text(state, style="dim" if part["inventoried"] else "yellow"),
    )
