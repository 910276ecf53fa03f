"""`pixera events`: what happened to somebody, and the log read again."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from cli.event_stream import Line, followed, write_file, write_lines
from cli.handing_over import hand_over, list_replays, stop_replay
from cli.output import AsJson, emit, fail, note, table
from cli.platform import Platform
from cli.rebuilds import rebuild
from cli.saving import require_new
from cli.times import Since, Until, dated

STDOUT, GROUP = "stdout", "group:"
MOST_ROWS = 1_000
COLUMNS = ("time", "event", "published by", "about", "trace")
TRACE_ID = slice(3, 35)
"""Where a `traceparent` has the trace's id. Source: W3C Trace Context."""
app = typer.Typer(help="Read the log of events again, for operators.", no_args_is_help=True)

app.command("rebuild")(rebuild)
app.command("replays")(list_replays)
app.command("stop")(stop_replay)


@app.command("timeline")
def show_timeline(
    subject: Annotated[UUID, typer.Option(help="The person's id.")],
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Show everything about one person over all topics, in the order of time. The audit says that you looked.

    Sealed content is not opened; of a person who is erased it says so.
    """
    params = {"subject": str(subject), **dated(since, until)}
    with followed(Platform().staff_lines("privacy", "/events/timeline", params)) as lines:
        shown = list(lines)
    if as_json:
        emit(shown)
    else:
        table(f"Timeline of {subject}", COLUMNS, map(_row, shown))


@app.command("replay")
def replay(
    *,
    since: Since = None,
    until: Until = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Such as pixera.user.deleted.v1; may be repeated.")
    ] = None,
    topics: Annotated[list[str] | None, typer.Option("--topic", help="May be repeated.")] = None,
    subject: Annotated[UUID | None, typer.Option(help="Only what is about this person.")] = None,
    to: Annotated[
        str, typer.Option(help="`stdout`, a file (there whole or not at all), or `group:<name>`.")
    ] = STDOUT,
    rate: Annotated[int | None, typer.Option(min=1, help="Events a second, at most.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do hand them to the group: without it, it is only told.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the log again and show what is chosen of it. The audit says that you looked.

    A file has a line of JSON for each event, and a last one with the counts and the SHA-256 of all lines before it.
    To a group: what its inbox knows has no effect again; exit 1 where some failed, or wait behind what failed.
    """
    if to.startswith(GROUP):
        wanted = {"types": types or [], "topics": topics or [], "subject": subject and str(subject)}
        order = {"rate": rate, "deliver": yes} | dated(since, until)
        hand_over(to.removeprefix(GROUP), wanted | order, as_json=as_json)
    if yes:
        fail(f"--yes is for handing events over: --to {GROUP}{to} if that is a group.")
    if to != STDOUT:
        require_new(Path(to))
    asked = {"type": types, "topic": topics, "subject": subject and str(subject), "rate": rate}
    params = {name: value for name, value in asked.items() if value} | dated(since, until)
    with followed(Platform().staff_lines("privacy", "/events", params)) as lines:
        if to != STDOUT:
            manifest = write_file(Path(to), lines)
        elif as_json:
            write_lines(lines)
            return
        else:
            _show(lines)
            return
    if as_json:
        emit(manifest)
    else:
        Console(highlight=False).print(
            Text(f"{manifest['events']} events, {manifest['malformed']} malformed: {to}")
        )


def _show(lines: Iterator[Line]) -> None:
    rows = [_row(line) for line in islice(lines, MOST_ROWS)]
    more = sum(1 for _ in lines)
    table("Events", COLUMNS, rows)
    if more:
        note(f"{more} more are not shown: use --json, or --to a file.")


def _row(line: Line) -> tuple[Any, ...]:
    place = f"{line['topic']}/{line['partition']}@{line['offset']}"
    if line["kind"] == "malformed":
        return line["logged_at"], Text(line["code"], style="red"), None, place, None
    published_by = (line["source"] or "").removeprefix("/pixera/")
    trace = (line["traceparent"] or "")[TRACE_ID]
    return (
        line["time"],
        line["type"].removeprefix("pixera."),
        published_by,
        _about(line["data"]),
        trace or None,
    )


def _about(data: Line) -> str:
    """Return the ids that an event names beside the person's, and its sealed fields as they are told."""
    named = (
        name for name in data if (name.endswith("_id") and name != "user_id") or name.startswith("sealed_")
    )
    return ", ".join(f"{name}={data[name]}" for name in named if data[name] is not None)
