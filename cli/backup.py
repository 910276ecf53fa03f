"""`pixera backup` and `pixera restore`: saving everything as it is at one moment, and coming back to it."""

from functools import partial
from typing import Annotated, Any

import typer

from cli.orders import Order, Told, followed
from cli.output import NO, AsJson, complain, console, emit, fail, mark, note, progress, table
from cli.platform import Platform

BEGINS_WITHIN_S = 120.0
"""One is made at a time, and none is taken meanwhile: only a worker that is not there is waited for."""
COLUMNS = ("backup", "made", "expires", "rows", "objects", "bytes", "key")
NAMES = ("id", "made_at", "expires_at", "rows", "objects", "size_bytes", "key_id")

app = typer.Typer(help="Make backups, and check them.", invoke_without_command=True)

BackupId = Annotated[str, typer.Argument(help="The backup's name, as `pixera backup list` tells it.")]


@app.callback()
def make(context: typer.Context, as_json: AsJson = False) -> None:
    """Make a backup of everything: exit 0 once it is whole, 1 where it failed, 2 if that cannot be told."""
    if context.invoked_subcommand is not None:
        return
    platform = Platform()
    asked = platform.staff("POST", "privacy", "/backups")
    path = f"/backups/{asked['id']}"
    goes_on = f"`pixera backup show {asked['id']}` tells how far it is."
    look = partial(platform.staff, "GET", "privacy", path)
    made = followed(asked, look, _told, goes_on, begins_within_s=BEGINS_WITHIN_S)
    if as_json:
        emit(made)
    elif made["state"] == "done":
        table("Backup", COLUMNS, [[made[name] for name in NAMES]])
    else:
        console().print(mark(good=False), f"{made['id']} was not made: {made['reason']}", style="red")
    raise typer.Exit(0 if made["state"] == "done" else NO)


@app.command("list")
def list_backups(as_json: AsJson = False) -> None:
    """List the backups there are, oldest first."""
    found = Platform().staff("GET", "privacy", "/backups")["items"]
    if as_json:
        emit(found)
    else:
        table("Backups", COLUMNS, [[each[name] for name in NAMES] for each in found])


@app.command("show")
def show(backup: BackupId, as_json: AsJson = False) -> None:
    """Show how far a backup is, or what is in it."""
    found = Platform().staff("GET", "privacy", f"/backups/{backup}")
    if as_json:
        emit(found)
    else:
        table(backup, ("", ""), list(found.items()))


@app.command("verify")
def verify(backup: BackupId, as_json: AsJson = False) -> None:
    """Read a whole backup: exit 0 if every file is as it was written, 1 if not, 2 if that cannot be told."""
    end: dict[str, Any] = {}
    with progress() as bar:
        task = bar.add_task("reading", total=None)
        for line in Platform().staff_lines("privacy", f"/backups/{backup}/verification", {}):
            if line["kind"] == "end":
                end = line
            elif line["kind"] == "file":
                bar.update(task, advance=1, total=line["of"])
    if not end:
        fail(f"{backup} was not read to its end.")
    if as_json:
        emit({"backup": backup, "whole": end["whole"], "damaged": end["damaged"]})
    else:
        said = "every file is as it was written" if end["whole"] else f"damaged: {', '.join(end['damaged'])}"
        console().print(mark(end["whole"]), f"{backup}: {said}")
    raise typer.Exit(0 if end["whole"] else NO)


def restore(
    backup: BackupId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup, while no service runs: exit 0 once it is whole, 1 if it is refused, 2 if it broke off.

    It is 1 too where it is restored and people's keys are missing: what was sealed for them, nobody opens.

    Everything since the backup is lost, and people who left since stay gone. Start only the servers first
    (`python -m deploy.local.launch --no-services`), then this, then everything. It can be done again from the start
    until it has come to its end; before that, no service starts.
    """
    from cli.restoring import run  # noqa: PLC0415 - it loads every service, which no other command needs

    if not yes:
        typer.confirm(f"Everything since {backup} is lost. Restore it?", abort=True, err=True)
    with progress() as bar:
        report = run(backup, Platform(), bar)
    if as_json:
        emit(report)
    else:
        _show(report)
    if report["keys_back"] is None:
        note(f"The vault has no backup {backup}: whose key was lost since, has none now.")
    if report["keyless"]:
        complain(
            f"{report['keyless']} accounts have no key: what was sealed for them, nobody opens "
            "(docs/runbooks/restore.md)."
        )
        raise typer.Exit(NO)


def _show(report: dict[str, Any]) -> None:
    whole = not report["keyless"]
    console().print(mark(whole), f"{report['backup']} is restored; services may start.", style="bold")
    shown = ("made_at", "rows", "objects", "keys_back", "erased", "frozen", "hidden")
    rows = [(name, report[name]) for name in shown]
    table("Restored", ("", ""), [*rows, ("certificates lost", report["certificates_lost"] or "none")])
    table("Lost: events since, which have no effect", ("event", "times"), report["lost"])


def _told(backup: Order) -> Told:
    """Return how far a backup is."""
    if backup["state"] == "waiting":
        return "waiting for a worker", 0, None
    return f"{backup['step']} ({backup['objects']:,} objects)", backup["rows"], backup["rows_of"] or None
