"""`pixera events replay --to group:...`: the owning service hands events of the log to a group of its own again."""

import time
from typing import Any, NoReturn

import typer

from cli.output import NO, console, emit, fail, progress, table
from cli.platform import Platform

LOOK_EVERY_S = 0.5
OVER = frozenset({"done", "failed"})
FAILED, WAITING = "failed", "waiting"


def hand_over(group: str, wanted: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Order it, follow it, and show what became of the events, or what would."""
    platform, service = Platform(), group.partition(".")[0]
    run = platform.staff("POST", service, "/replays", json={"group": group, **wanted})
    with progress() as bar:
        task = bar.add_task("reading the log", total=None)
        while run["state"] not in OVER:
            time.sleep(LOOK_EVERY_S)
            run = platform.staff("GET", service, f"/replays/{run['id']}")
            bar.update(task, completed=run["read"], total=run["total"] or None)
    if run["state"] == "failed":
        fail("The replay failed again and again, or too much of it did: see the worker's log.")
    if as_json:
        emit(run)
    else:
        table(f"Replay to {group}", ("what", "how many"), sorted(run["counts"].items()))
        if not run["deliver"]:
            console().print("Nothing was handed over: add --yes to do it.")
        if WAITING in run["counts"]:
            console().print(
                "What waits would overtake what failed: settle that (`pixera dlq`), then replay again."
            )
    raise typer.Exit(NO if run["counts"].keys() & {FAILED, WAITING} else 0)
