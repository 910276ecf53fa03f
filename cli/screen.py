"""One screen on which everything is: how `pixera status` looks."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from cli.health import Finding, group_level, letters_of, outbox_level
from cli.output import Level, due, grid, lasting, plain, seconds_until, told
from cli.snapshot import SERVICES, Probe, Snapshot

COLUMNS = ("", "service", "state", "processes", "consumers", "behind", "outbox", "relay", "dead letters")
UNKNOWN = Text("unknown", style="dim")


def draw(snapshot: Snapshot, found: list[Finding], *, every_group: bool = False) -> RenderableType:
    """Return the whole screen."""
    parts: list[RenderableType] = [
        _headline(snapshot, found),
        _services(snapshot),
        _others(snapshot.probes),
    ]
    if every_group:
        parts.append(_groups(snapshot.services))
    parts.append(_erasures(snapshot.erasures))
    parts.append(_verdict(snapshot, found))
    return Group(*(Padding(part, (0, 0, 1, 1)) for part in parts))


def _headline(snapshot: Snapshot, found: list[Finding]) -> Text:
    worst = max((finding.level for finding in found), default=Level.WELL)
    at = f"{snapshot.at:%Y-%m-%d %H:%M:%S} UTC"
    return Text.assemble(
        ("Pixera ", "bold"), worst.sign, ("  " + plain(snapshot.gateway), ""), (f"  {at}", "dim")
    )


def _services(snapshot: Snapshot) -> RenderableType:
    return grid("Services", COLUMNS, [_service(name, snapshot) for name in SERVICES])


def _others(probes: Mapping[str, Probe]) -> Text:
    """Return in one line what belongs to no service: the gateway, and what a local stack has besides."""
    line = Text.assemble(("Besides  ", "bold"))
    for name, probe in probes.items():
        if name.partition("-")[0] not in SERVICES:
            level = Level.WELL if probe.ready else Level.FAILING
            line.append_text(level.sign).append_text(
                told(level, f" {name} {'ready' if probe.ready else 'failing'}  ")
            )
    return line


def _service(name: str, snapshot: Snapshot) -> list[Text]:
    probes = {
        process.removeprefix(f"{name}-"): probe
        for process, probe in snapshot.probes.items()
        if process.partition("-")[0] == name
    }
    status = snapshot.services.get(name)
    level = _ready(probes, status)
    state = told(level, ("ready", "unknown", "failing")[level])
    if status is None:
        return [level.sign, Text(name), state, _processes(probes), *(UNKNOWN for _ in range(5))]
    return [level.sign, Text(name), state, _processes(probes), *_bus(status)]


def _ready(probes: Mapping[str, Probe], status: Mapping[str, Any] | None) -> Level:
    if not all(probe.ready for probe in probes.values()) or (status and not all(status["ready"].values())):
        return Level.FAILING
    return Level.WELL if probes or status else Level.LATE


def _processes(probes: Mapping[str, Probe]) -> Text:
    """Return which processes there are; where only the gateway could be asked, nobody knows."""
    if set(probes) <= set(SERVICES):
        return UNKNOWN
    names = [
        told(Level.WELL, name) if probe.ready else told(Level.FAILING, f"✘{name}")
        for name, probe in probes.items()
    ]
    return Text(" ").join(names)


def _bus(status: Mapping[str, Any]) -> Iterable[Text]:
    """Return the cells of what a service consumes and publishes."""
    groups = status["groups"]
    if groups is None:
        yield from (UNKNOWN, UNKNOWN)
    else:
        worst = max((group_level(group) for group in groups), default=Level.WELL)
        consuming = sum(1 for group in groups if group["members"])
        yield told(worst if consuming < len(groups) else Level.WELL, f"{consuming} of {len(groups)}")
        yield told(worst, _behind(groups))
    outbox = status["outbox"]
    yield (
        UNKNOWN
        if outbox is None
        else told(outbox_level(dict(status)), _amount(outbox["pending"], outbox["oldest_age_s"]))
    )
    relay = status["relay"]
    yield (
        UNKNOWN
        if relay is None
        else told(Level.WELL if relay else outbox_level(dict(status)), "yes" if relay else "none")
    )
    yield _dead_letters(status["dead_letters"])


def _dead_letters(letters: list[dict[str, Any]] | None) -> Text:
    if letters is None:
        return UNKNOWN
    count = sum(letters_of(each) for each in letters)
    oldest = max((each["oldest_age_s"] for each in letters), default=0.0)
    return told(Level.LATE if count else Level.WELL, _amount(count, oldest))


def _behind(groups: list[dict[str, Any]]) -> str:
    ages = [group["age_s"] for group in groups if group["lag"]]
    return _amount(sum(group["lag"] for group in groups), None if None in ages else max(ages, default=0.0))


def _amount(count: int, age_s: float | None) -> str:
    if not count:
        return "0"
    return f"{count} · {'?' if age_s is None else lasting(age_s)}"


def _groups(services: Mapping[str, dict[str, Any]]) -> RenderableType:
    rows = [_group(group) for status in services.values() for group in status["groups"] or ()]
    return grid("Consumer groups", ("", "group", "state", "consumers", "behind"), rows)


def _group(group: dict[str, Any]) -> list[Text]:
    level = group_level(group)
    state = ("getting on" if group["lag"] else "up to date", "behind", "nobody consumes")[level]
    behind = _amount(group["lag"], group["age_s"])
    return [
        level.sign,
        Text(plain(group["group"])),
        told(level, state),
        Text(str(group["members"])),
        Text(behind),
    ]


def _erasures(erasures: Mapping[str, Any] | None) -> RenderableType:
    if erasures is None:
        return Text.assemble(("Erasures  ", "bold"), UNKNOWN)
    line = Text.assemble(("Erasures  ", "bold"), f"{erasures['open']} open")
    if erasures["open"]:
        oldest = lasting(-seconds_until(erasures["oldest_requested_at"]))
        line.append(f" · the oldest for {oldest} · the first ").append_text(due(erasures["soonest_due_at"]))
    counts = (
        (Level.FAILING, erasures["overdue"], "overdue"),
        (Level.LATE, erasures["by_state"].get("INCOMPLETE", 0), "incomplete"),
        (Level.LATE, erasures["attention"], "calling for people"),
        (Level.WELL, erasures["by_state"].get("HELD", 0), "held"),
    )
    for level, count, word in counts:
        if count:
            line.append(" · ").append_text(told(level, f"{count} {word}"))
    return line


def _verdict(snapshot: Snapshot, found: list[Finding]) -> RenderableType:
    if why := snapshot.untold.get("staff"):
        note = Text.assemble(Level.LATE.sign, f" Not signed in, so only this much can be told. {plain(why)}")
    else:
        note = Text.assemble(Level.WELL.sign, (" All is well.", "bold green"))
    if not found:
        return note
    rows = [(finding.level.sign, finding.where, finding.what, finding.do) for finding in found]
    listed = grid("To be looked at", ("", "where", "what", "try"), rows)
    return Group(listed, note) if why else listed
