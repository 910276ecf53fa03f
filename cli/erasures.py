"""`pixera erasure`: what is being erased, how far it has come, trying again, and the proof."""

from typing import Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from cli import holds
from cli.certificates import show_verdict, verdict_as_json, verdicts_of
from cli.output import NO, AsJson, Level, complain, console, due, emit, fail, moment, plain, table, told
from cli.platform import Platform
from cli.trust import keys_of

app = typer.Typer(help="Follow erasures, try again, check their proof.", no_args_is_help=True)

CaseId = Annotated[UUID, typer.Argument(metavar="CASE", help="The case's id.")]


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
def hold(case_id: CaseId, until: holds.UntilDate, ground: holds.Why, as_json: AsJson = False) -> None:
    """Ask that the account of a case is held: `pixera hold place case CASE`. Another operator confirms it."""
    holds.place("case", case_id, until, ground, as_json=as_json)


@app.command("release")
def release(case_id: CaseId, as_json: AsJson = False) -> None:
    """Ask that the hold on a case's account ends before its date: `pixera hold release HOLD`. Another confirms it.

    Exit 1 where the case is not held.
    """
    case = Platform().staff("GET", "privacy", f"/cases/{case_id}")
    if case["hold"] is None:
        complain("The case is not held. `pixera hold list --open` shows what waits to be confirmed.")
        raise typer.Exit(NO)
    holds.release(UUID(case["account_holds"][-1]), as_json=as_json)


@app.command("verify")
def verify_case(case_id: CaseId, as_json: AsJson = False) -> None:
    """Fetch a case's certificate and all that amends it, and check each, and that they belong together.

    Exit 1 where one is not genuine, or amends another; 2 while there is no certificate.
    """
    platform = Platform()
    items = platform.staff("GET", "privacy", f"/cases/{case_id}/certificates")["items"]
    if not items:
        fail("There is no certificate yet: the erasure is not proven.")
    verdicts = verdicts_of([item["signed"].encode() for item in items], keys_of(None))
    if as_json:
        emit([verdict_as_json(verdict) for verdict in verdicts])
    else:
        for item, verdict in zip(items, verdicts, strict=True):
            show_verdict(verdict, f"certificate {item['sequence']}")
    raise typer.Exit(0 if all(verdict.valid for verdict in verdicts) else NO)


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
    waits += [
        f"the end of the hold on {item['what']} {moment(item['until'])}"
        for item in case.get("held_items", ())
        if item["ended_at"] is None
    ]
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
    columns = ("", "holder", "state", "holding", "found", "erased", "held", "retained", "ground", "until")
    table("Holders", columns, _holdings(case))
    if case["item_holds"]:
        items = [
            (each["what"], each["id"], moment(each["until"]), moment(each["ended_at"]), each["ground"])
            for each in case["item_holds"]
        ]
        table(
            "\nItems that are not erased with the rest", ("what", "hold", "until", "ended", "ground"), items
        )
    if case["holds"]:
        rows = [
            (moment(each["since"]), moment(each["until"]), moment(each["ended_at"]), each["ground"])
            for each in case["holds"]
        ]
        table("\nHolds", ("since", "until", "ended", "ground"), rows)
    _show_certificates(case)
    names = ("what", "holder", "number", "count")
    rows = [(moment(line["at"]), *(line[name] for name in names)) for line in case["timeline"]]
    table("\nTimeline", ("at (UTC)", *names), rows)


def _show_certificates(case: dict[str, Any]) -> None:
    """Print which certificates there are: the first, and what amends it."""
    if case["certificate_sequence"] is None:
        return
    rows = [(case["certificate_sequence"], "the erasure")]
    rows += [(number, "what the law had kept is gone") for number in case["amended_by"]]
    table("\nCertificates (`pixera erasure verify`)", ("number", "certifies"), rows)


def _holdings(case: dict[str, Any]) -> list[Any]:
    names = ("holding", "found", "erased", "held", "retained", "ground")
    nothing = dict.fromkeys([*names, "retained_until", "retained_gone_at"])
    return [
        (*_holder(part), *(held[name] for name in names), _kept_until(held))
        for part in case["holders"]
        for held in part["holdings"] or [nothing]
    ]


def _kept_until(held: dict[str, Any]) -> str | None:
    """Return until when the law keeps something, or since when it is known to be gone."""
    gone: str | None = held["retained_gone_at"]
    until: str | None = held["retained_until"]
    return f"gone {moment(gone)}" if gone else until


def _holder(part: dict[str, Any]) -> tuple[Text, str, Text]:
    """Return how far one service has come: counted and frozen, or all it found explained."""
    if part["erased"]:
        return Level.WELL.sign, part["holder"], told(Level.WELL, "erased")
    if part["held"]:
        return Level.LATE.sign, part["holder"], told(Level.LATE, "held")
    state = "frozen" if part["inventoried"] else "awaited"
    return (
        Text("·", style="dim"),
        part["holder"],
        Text(state, style="dim" if part["inventoried"] else "yellow"),
    )
