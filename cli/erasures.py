"""`pixera erasure`: what is being erased, how far it has come, and trying again."""

from typing import Annotated, Any
from uuid import UUID

import typer

from cli.output import AsJson, emit, mark, table
from cli.platform import Platform

app = typer.Typer(help="Follow erasures, for operators.", no_args_is_help=True)

CaseId = Annotated[UUID, typer.Argument(help="The case's id.")]


@app.command("list")
def list_cases(
    limit: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 50, as_json: AsJson = False
) -> None:
    """List cases: open ones first, the soonest due before the others."""
    cases = Platform().staff_pages("privacy", "/cases", "cursor", limit)
    if as_json:
        emit(cases)
        return
    columns = ("case", "state", "requested", "due", "attempt", "waiting for", "attention")
    names = ("case_id", "state", "requested_at", "due_at", "attempt", "waiting_for", "attention")
    table("Erasures", columns, [[case[name] for name in names] for case in cases])


@app.command("show")
def show_case(case_id: CaseId, as_json: AsJson = False) -> None:
    """Show one case: what each service found and erased, and what happened when."""
    _show(Platform().staff("GET", "privacy", f"/cases/{case_id}"), as_json=as_json)


@app.command("resend")
def resend(case_id: CaseId, as_json: AsJson = False) -> None:
    """Ask again for what the case waits for, with fresh patience."""
    _show(Platform().staff("POST", "privacy", f"/cases/{case_id}/resend"), as_json=as_json)


def _show(case: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(case)
        return
    title = f"Case {case['case_id']}: {case['state']}, due {case['due_at']}"
    rows = [
        (
            mark(part["erased"]),
            part["holder"],
            held["holding"],
            held["found"],
            held["erased"],
            held["retained"],
        )
        for part in case["holders"]
        for held in part["holdings"] or [dict.fromkeys(("holding", "found", "erased", "retained"))]
    ]
    table(title, ("", "holder", "holding", "found", "erased", "retained"), rows)
    names = ("at", "what", "holder", "number", "count")
    table("Timeline", names, [[line[name] for name in names] for line in case["timeline"]])
