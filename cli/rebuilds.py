"""`pixera events rebuild`: a read model rebuilt from the log, and held against the live one."""

from typing import Annotated, Any

import typer

from cli.orders import followed, reading
from cli.output import NO, AsJson, console, emit, fail, mark, table
from cli.platform import Platform

GOES_ON = "order it again once it is over to see what came of it."
SERVICES = {"billing.balances": "billing", "gallery.images": "gallery"}
"""The read models that can be rebuilt, and whose they are."""


def rebuild(
    model: Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}.")],
    swap: Annotated[
        bool, typer.Option("--swap/--compare", help="Replace rows that differ, or compare.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do replace them: without it, a swap only compares.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild a read model from the log, and compare it with the live one, which goes on serving.

    Exit 0: every row is, byte for byte, what the log says (or was made so); 1: not, or the log does not reach back
    far enough to say so; 2: it could not be found out.
    """
    if yes and not swap:
        fail("--yes is for replacing rows: --swap --yes.")
    if model not in SERVICES:
        fail(f"{model} cannot be rebuilt; what can is: {', '.join(SERVICES)}.")
    platform, service = Platform(), SERVICES[model]
    run = platform.staff("POST", service, "/rebuilds", json={"model": model, "swap": swap and yes})
    run = followed(run, lambda: platform.staff("GET", service, f"/rebuilds/{run['id']}"), reading, GOES_ON)
    if run["state"] == "failed":
        fail("The rebuild failed again and again: see the worker's log.")
    if as_json:
        emit(run)
    else:
        _show(run, only_asked=swap and not yes)
    raise typer.Exit(0 if run["equal"] else NO)


def _show(run: dict[str, Any], *, only_asked: bool) -> None:
    table(f"Rebuild of {run['model']}", ("what", "how many"), sorted(run["result"].items()))
    if run["equal"]:
        console().print(mark(good=True), "Every row is what the log says, byte for byte.")
    elif run["result"]["older"]:
        console().print(mark(good=False), "Not all can be told: some rows began before the log does.")
    else:
        console().print(mark(good=False), "The live rows are not what the log says.")
    if only_asked and run["result"]["differing"]:
        console().print("Nothing was replaced: add --yes to do it.")
