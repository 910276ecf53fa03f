"""`pixera dlq`: what services gave up on, delivering it again, and giving it up for good."""

from collections import Counter
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from cli.letters import Chosen, Letter, seconds
from cli.output import NO, AsJson, console, emit, fail, moment, note, plain, table

app = typer.Typer(help="Look at dead letters, redrive or discard them.", no_args_is_help=True)

Service = Annotated[str | None, typer.Option(help="One service; every one if not given.")]
Group = Annotated[str | None, typer.Option(help="Only this consumer group's.")]
Topic = Annotated[str | None, typer.Option(help="Only from this topic.")]
Error = Annotated[str | None, typer.Option(help="Only with this error code.")]
Age = Annotated[str | None, typer.Option(metavar="AGE", help="Only older ones: 90s, 15m, 2h, 3d.")]
State = Literal["open", "parked", "redriving", "redriven", "discarded"]
LetterId = Annotated[UUID, typer.Argument(metavar="LETTER", help="The letter's id.")]
AnyLetterId = Annotated[
    UUID | None, typer.Argument(metavar="LETTER", help="One letter's id; without it, all open ones that fit.")
]
All = Annotated[bool, typer.Option("--all", help="All open ones, where nothing narrows them down.")]
Why = "Why, as a code for the audit: bug-1234."
COLUMNS = ("service", "id", "group", "topic", "state", "error", "tries", "at")


@app.command("list")
def list_letters(  # noqa: PLR0917 - typer passes options by name
    service: Service = None,
    group: Group = None,
    topic: Topic = None,
    error: Error = None,
    older_than: Age = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of each service, at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters and what waits behind them, the newest first of each service."""
    chosen = Chosen(service, _wanted(group, topic, error, older_than))
    found = chosen.letters(limit, **({"state": state} if state else {}))
    if as_json:
        emit(found)
    elif found:
        table("Dead letters", COLUMNS, map(_row, found))
    elif not chosen.unanswered:
        console().print("There are no dead letters.")
    if limit in Counter(letter["service"] for letter in found).values():
        note(f"Of a service with {limit} there may be more: --limit.")
    chosen.end()


@app.command("show")
def show_letter(letter_id: LetterId, service: Service = None, as_json: AsJson = False) -> None:
    """Show one letter and its record: the body where it is an event, else its size and how it begins."""
    letter = Chosen(service).show(letter_id)
    if as_json:
        emit(letter)
        return
    record = letter.pop("record")
    table(f"Letter {letter_id}", ("", "what"), list(letter.items()))
    if record is None:
        console().print("The record has outlived its topic's retention.")
        return
    rows = [("key", _shown(record["key"]))]
    rows += [(header["name"], _shown(header["value"])) for header in record["headers"]]
    table("Record", ("", "what"), [*rows, ("body", _shown(record["body"]))])


@app.command("redrive")
def redrive(  # noqa: PLR0917 - typer passes options by name
    letter_id: AnyLetterId = None,
    service: Service = None,
    group: Group = None,
    topic: Topic = None,
    error: Error = None,
    older_than: Age = None,
    everything: All = False,
    reason: Annotated[str, typer.Option(metavar="CODE", help=Why)] = "redrive",
    wait: Annotated[float, typer.Option(min=0, help="How many seconds to follow it, at most.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Deliver letters again, and what waits behind each after it, in order: exit 1 where one is not delivered."""
    wanted = _chosen(letter_id, _wanted(group, topic, error, older_than), everything=everything)
    chosen = Chosen(service, wanted)
    asked = [chosen.redrive(letter_id, reason)] if letter_id else chosen.redrive_all(reason)
    chosen.follow(asked, wait)
    left = chosen.left_of(asked)
    if letter_id:
        _show_redriven(chosen.show(letter_id), as_json=as_json)
    else:
        _show_counts(asked, left, as_json=as_json)
    chosen.end(NO if left else 0)


@app.command("discard")
def discard(  # noqa: PLR0917 - typer passes options by name
    reason: Annotated[str, typer.Option(metavar="CODE", help=Why)],
    letter_id: AnyLetterId = None,
    service: Service = None,
    group: Group = None,
    topic: Topic = None,
    error: Error = None,
    older_than: Age = None,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """Give letters up for good; what waits behind each has its turn. The audit keeps who did it and why."""
    wanted = _chosen(letter_id, _wanted(group, topic, error, older_than), everything=everything)
    chosen = Chosen(service, wanted)
    gone = [chosen.discard(letter_id, reason)] if letter_id else chosen.discard_all(reason)
    if as_json:
        emit(gone)
    else:
        table(f"Discarded: {len(gone)}", COLUMNS, map(_row, gone))
    chosen.end()


def _show_redriven(letter: Letter, *, as_json: bool) -> None:
    if as_json:
        emit(letter)
    else:
        table("Redriven", COLUMNS, [_row(letter)])


def _show_counts(asked: list[Letter], left: list[Letter], *, as_json: bool) -> None:
    """Show of each service how many letters were asked for, and what of them and behind them is not delivered."""
    names, open_still = (Counter(letter["service"] for letter in letters) for letters in (asked, left))
    if as_json:
        emit([{"service": name, "asked": count, "left": open_still[name]} for name, count in names.items()])
    else:
        rows = [(name, count, open_still[name]) for name, count in names.items()]
        table("Redriven", ("service", "asked for", "not delivered"), rows)


def _wanted(group: str | None, topic: str | None, code: str | None, older_than: str | None) -> dict[str, Any]:
    named = {"group": group, "topic": topic, "code": code, "older_than": seconds(older_than)}
    return {name: value for name, value in named.items() if value is not None}


def _chosen(letter_id: UUID | None, wanted: dict[str, Any], *, everything: bool) -> dict[str, Any]:
    """Return the filter of the letters that are meant; exit 2 where two things are meant, or nothing."""
    if letter_id and (wanted or everything):
        fail("Name a letter, or say which ones are meant: not both.")
    if not letter_id and not wanted and not everything:
        fail(
            "Which letters? Name one, narrow them down (--group, --topic, --error, --older-than), or say --all."
        )
    return wanted


def _row(letter: Letter) -> list[str]:
    """Return a letter's cells, one for each of COLUMNS."""
    shown = {**letter, "error": letter["code"], "at": moment(letter["at"])}
    return [plain(shown[name]) for name in COLUMNS]


def _shown(part: dict[str, Any]) -> str:
    if part["size"] is None:
        return "(none)"
    if part["content"] is not None:
        return ", ".join(f"{name}={value}" for name, value in part["content"].items())
    return part["text"] if part["text"] is not None else f"{part['size']} bytes: {part['hex_head']}…"
