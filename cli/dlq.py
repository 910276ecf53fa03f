"""`pixera dlq`: what services gave up on, delivering it again, and giving it up for good."""

import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.output import NO, AsJson, console, emit, fail, moment, plain, progress, table
from cli.platform import Platform, Unanswered

SERVICES = ("auth", "billing", "gallery", "generation", "privacy")
PATH = "/dead-letters"
LOOK_EVERY_S = 0.3
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

app = typer.Typer(help="Look at dead letters, redrive or discard them, for operators.", no_args_is_help=True)

Service = Annotated[str | None, typer.Option("--service", help="One service; every one if not given.")]
Group = Annotated[str | None, typer.Option("--group", help="Only this consumer group's.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only from this topic.")]
Code = Annotated[str | None, typer.Option("--error", help="Only with this error code.")]
Age = Annotated[str | None, typer.Option("--older-than", help="Only older ones: 90s, 15m, 2h, 3d.")]
State = Annotated[str | None, typer.Option("--state", help="open, parked, redriving, redriven, discarded.")]
LetterId = Annotated[UUID, typer.Argument(help="The letter's id.")]
AnyLetterId = Annotated[UUID | None, typer.Argument(help="One letter's id; else all open ones that fit.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, as a code for the audit: bug-1234.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="How many seconds to follow what was asked for.")]


@app.command("list")
def list_letters(  # noqa: PLR0917 - typer passes options by name
    service: Service = None,
    group: Group = None,
    topic: Topic = None,
    error: Code = None,
    older_than: Age = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of each service, at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters and what waits behind them, the newest first of each service."""
    platform, wanted = (
        Platform(),
        _wanted(group, topic, error, older_than) | ({"state": state} if state else {}),
    )
    found = [
        {"service": each, **letter}
        for each in _services(service)
        for letter in platform.staff_pages(each, PATH, "cursor", limit, params=wanted)
    ]
    if as_json:
        emit(found)
        return
    columns = ("service", "id", "group", "topic", "state", "error", "tries", "at")
    names = ("service", "id", "group", "topic", "state", "code", "tries", "at")
    if not found:
        console().print("There are no dead letters.")
        return
    table("Dead letters", columns, [[_cell(name, letter[name]) for name in names] for letter in found])


@app.command("show")
def show_letter(letter_id: LetterId, service: Service = None, as_json: AsJson = False) -> None:
    """Show one letter and its record: the body where it is an event, else its size and how it begins."""
    name, letter = _find(Platform(), letter_id, service)
    if as_json:
        emit({"service": name, **letter})
        return
    record = letter.pop("record")
    table(f"Letter {letter_id} ({name})", ("", ""), list(letter.items()))
    if record is None:
        console().print("The record has outlived its topic's retention.")
        return
    rows = [("key", _shown(record["key"]))]
    rows += [(header["name"], _shown(header["value"])) for header in record["headers"]]
    table("Record", ("", ""), [*rows, ("body", _shown(record["body"]))])


@app.command("redrive")
def redrive(  # noqa: PLR0917 - typer passes options by name
    letter_id: AnyLetterId = None,
    service: Service = None,
    group: Group = None,
    topic: Topic = None,
    error: Code = None,
    older_than: Age = None,
    reason: Reason = "redrive",
    wait: Wait = 60.0,
    as_json: AsJson = False,
) -> None:
    """Deliver letters again, and what waits behind each after it: exit 0 if all had their effect, 1 if not."""
    platform, wanted = Platform(), _wanted(group, topic, error, older_than)
    if letter_id is not None:
        name, _ = _find(platform, letter_id, service)
        platform.staff("POST", name, f"{PATH}/{letter_id}/redrive", json={"reason": reason})
        asked = {name: 1}
    else:
        asked = {each: _ask_all(platform, each, wanted, reason) for each in _services(service)}
    left = _follow(platform, [name for name, count in asked.items() if count], wait)
    _told(asked, left, as_json=as_json)


@app.command("discard")
def discard(letter_id: LetterId, reason: Reason, service: Service = None, as_json: AsJson = False) -> None:
    """Give one letter up for good; what waits behind it has its turn. The audit keeps the reason."""
    platform = Platform()
    name, _ = _find(platform, letter_id, service)
    letter = platform.staff("POST", name, f"{PATH}/{letter_id}/discard", json={"reason": reason})
    if as_json:
        emit({"service": name, **letter})
    else:
        console().print(f"Discarded {letter_id} of {name}.")


def _services(named: str | None) -> tuple[str, ...]:
    if named is not None and named not in SERVICES:
        fail(f"There is no service {named}: one of {', '.join(SERVICES)}.")
    return SERVICES if named is None else (named,)


def _wanted(group: str | None, topic: str | None, code: str | None, older_than: str | None) -> dict[str, Any]:
    named = {"group": group, "topic": topic, "code": code, "older_than": _seconds(older_than)}
    return {name: value for name, value in named.items() if value is not None}


def _seconds(age: str | None) -> int | None:
    if age is None:
        return None
    found = re.fullmatch(r"(\d+)([smhd])", age)
    if found is None:
        fail(f"{age} is no age: write 90s, 15m, 2h or 3d.")
    return int(found[1]) * UNITS[found[2]]


def _find(platform: Platform, letter_id: UUID, service: str | None) -> tuple[str, dict[str, Any]]:
    """Return which service has a letter, and the letter."""
    for name in _services(service):
        try:
            return name, platform.staff("GET", name, f"{PATH}/{letter_id}")
        except Unanswered as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
    raise Unanswered(f"No service has a letter {letter_id}.")


def _ask_all(platform: Platform, service: str, wanted: dict[str, Any], reason: str) -> int:
    """Ask for all that fit, as many at once as the service takes."""
    count, asked, more = 0, 1, True
    while more and asked:
        answer = platform.staff("POST", service, f"{PATH}/redrive", json={**wanted, "reason": reason})
        asked, more = int(answer["asked"]), answer["more"]
        count += asked
    return count


def _follow(platform: Platform, services: Iterable[str], within_s: float) -> dict[str, dict[str, int]]:
    """Show what is under way until nothing is; return what waits in each service then."""
    deadline, names = time.monotonic() + within_s, list(services)
    with progress() as bar:
        task, most = bar.add_task("redriving", total=None), 0
        while True:
            left = {name: _depth(platform, name) for name in names}
            running = sum(depth["redriving"] for depth in left.values())
            most = max(most, running)
            bar.update(task, total=most or 1, completed=(most or 1) - running)
            if not running or time.monotonic() > deadline:
                return left
            time.sleep(LOOK_EVERY_S)


def _depth(platform: Platform, service: str) -> dict[str, int]:
    groups = platform.staff("GET", service, f"{PATH}/depth")["groups"]
    return {state: sum(group[state] for group in groups) for state in ("open", "parked", "redriving")}


def _told(asked: dict[str, int], left: dict[str, dict[str, int]], *, as_json: bool) -> None:
    none_left = {"open": 0, "parked": 0, "redriving": 0}
    rows = [{"service": name, "asked": count, **left.get(name, none_left)} for name, count in asked.items()]
    if as_json:
        emit(rows)
    else:
        columns = ("service", "asked", "open", "parked", "redriving")
        table("Redriven; what waits now", columns, [[row[name] for name in columns] for row in rows])
    if any(row["open"] or row["redriving"] for row in rows):
        raise typer.Exit(NO)


def _shown(part: dict[str, Any]) -> str:
    if part["size"] is None:
        return "(none)"
    if part["content"] is not None:
        return ", ".join(f"{name}={value}" for name, value in part["content"].items())
    return part["text"] if part["text"] is not None else f"{part['size']} bytes: {part['hex_head']}…"


def _cell(name: str, value: Any) -> str:
    return moment(value) if name == "at" else plain(value)
