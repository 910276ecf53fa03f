"""`pixera events replay --to group:...`: the owning service hands events of the log to a group of its own again."""

from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer

from cli.letters import SERVICES, Chosen
from cli.orders import followed, reading
from cli.output import NO, UNKNOWN, AsJson, complain, console, emit, fail, moment, note, table
from cli.platform import Platform

FAILED, WAITING, TOO_OLD = "failed", "waiting", "too-old"
COLUMNS = ("id", "group", "state", "read", "handed over", "ordered")
ReplayId = Annotated[
    UUID, typer.Argument(metavar="REPLAY", help="Its id, as `pixera events replays` tells it.")
]


def hand_over(group: str, wanted: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Order it, follow it, and show what became of the events, or what would."""
    platform, service = Platform(), group.partition(".")[0]
    if service not in SERVICES:
        fail(f"{group} is no group: they begin with their service, as in gallery.import-images.")
    run = platform.staff("POST", service, "/replays", json={"group": group, **wanted})
    note(f"Replay {run['id']}")
    goes_on = f"`pixera events replays` shows it, `pixera events stop {run['id']}` stops it."
    run = followed(run, lambda: platform.staff("GET", service, f"/replays/{run['id']}"), reading, goes_on)
    if as_json:
        emit(run)
    else:
        _show(run)
    if run["state"] == "failed":
        complain("The replay failed again and again, or too much of it did: see the worker's log.")
    over = {"done": NO if run["counts"].keys() & {FAILED, WAITING, TOO_OLD} else 0, "stopped": NO}
    raise typer.Exit(over.get(run["state"], UNKNOWN))


def list_replays(
    service: Annotated[str | None, typer.Option(help="One service; every one if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the latest replays to groups, and how far each is."""
    chosen = Chosen(service)
    answers = chosen.each(lambda name: chosen.platform.staff("GET", name, "/replays")["items"])
    found = [run for runs in answers.values() for run in runs]
    if as_json:
        emit(found)
    elif found:
        table("Replays", COLUMNS, map(_row, found))
    elif not chosen.unanswered:
        console().print("There are no replays.")
    chosen.end()


def stop_replay(
    replay_id: ReplayId,
    service: Annotated[
        str | None, typer.Option(help="Whose group it is to; looked for if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Stop a replay to a group: what it handed over stays so. Exit 1 where it is over already."""
    chosen = Chosen(service)
    path = f"/replays/{replay_id}/stop"
    run = chosen.whoever_has("replay", lambda name: chosen.platform.staff("POST", name, path))
    if as_json:
        emit(run)
    else:
        table("Stopped", COLUMNS, [_row(run)])


def _show(run: dict[str, Any]) -> None:
    table(f"Replay to {run['group']}: {run['state']}", ("what", "how many"), sorted(run["counts"].items()))
    if not run["deliver"]:
        console().print("Nothing was handed over: add --yes to do it.")
    if WAITING in run["counts"]:
        console().print(
            "What waits would overtake what failed: settle that (`pixera dlq`), then replay again."
        )
    if TOO_OLD in run["counts"]:
        console().print(
            "What is too old is left: whether it had its effect, the group remembers for 30 days. Read it with "
            "`--to stdout` or a file; a read model is made anew by a rebuild."
        )


def _row(run: dict[str, Any]) -> list[str]:
    read = f"{run['read']:,} of {run['total']:,}" if run["total"] else "-"
    return [
        run["id"],
        run["group"],
        run["state"],
        read,
        "yes" if run["deliver"] else "no",
        moment(run["asked_at"]),
    ]
