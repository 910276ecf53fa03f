"""What of a snapshot an operator has to look at: the judgement, apart from how it is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cli.output import DUE_SOON_S, Level, lasting, seconds_until
from cli.snapshot import Snapshot

OUTBOX_LATE_S = 10.0
"""The relay publishes within milliseconds; this is a relay in trouble."""
LAG_LATE_S = 60.0


@dataclass(frozen=True)
class Finding:
    """Something that is not well. Args: where: the part; do: what helps, where that is known."""

    level: Level
    where: str
    what: str
    do: str = ""


def findings(snapshot: Snapshot) -> list[Finding]:
    """Return what is not well, the worst first."""
    found = [*_of_probes(snapshot)]
    for name, status in snapshot.services.items():
        found += _of_service(name, status)
    if snapshot.erasures is not None:
        found += _of_erasures(snapshot.erasures)
    found += [Finding(Level.FAILING, name, why) for name, why in snapshot.untold.items() if name != "staff"]
    return sorted(_joined(found), key=lambda finding: -finding.level)


def group_level(group: dict[str, Any]) -> Level:
    """Return how a consumer group stands. Nobody consuming is well where there is nothing to consume."""
    if group["lag"] and not group["members"]:
        return Level.FAILING
    late = group["lag"] and (group["age_s"] is None or group["age_s"] > LAG_LATE_S)
    return Level.LATE if late else Level.WELL


def outbox_level(status: dict[str, Any]) -> Level:
    """Return how a service's publishing stands."""
    outbox, relay = status["outbox"], status["relay"]
    if outbox is None or relay is None or (outbox["pending"] and not relay):
        return Level.FAILING
    late = not relay or (outbox["pending"] and outbox["oldest_age_s"] > OUTBOX_LATE_S)
    return Level.LATE if late else Level.WELL


def _joined(found: list[Finding]) -> Iterator[Finding]:
    """Yield one line for what is the same in many parts."""
    places: dict[Finding, list[str]] = {}
    for finding in found:
        places.setdefault(replace(finding, where=""), []).append(finding.where)
    for finding, names in places.items():
        yield replace(finding, where=", ".join(dict.fromkeys(names)))


def _of_probes(snapshot: Snapshot) -> Iterator[Finding]:
    for name, probe in snapshot.probes.items():
        if not probe.ready:
            yield Finding(Level.FAILING, name, f"not well: {', '.join(probe.failing)}")


def _of_service(name: str, status: dict[str, Any]) -> Iterator[Finding]:
    failing = [check for check, passed in status["ready"].items() if not passed]
    if failing:
        yield Finding(Level.FAILING, name, f"not ready: {', '.join(failing)}")
    for part, why in status["unanswered"].items():
        yield Finding(Level.FAILING, name, f"{part} could not be measured: {why}")
    if status["outbox"] and status["relay"] is not None:
        yield from _of_outbox(name, status)
    for group in status["groups"] or ():
        yield from _of_group(group)
    for letters in status["dead_letters"] or ():
        yield from _of_letters(letters)


def _of_outbox(name: str, status: dict[str, Any]) -> Iterator[Finding]:
    level, outbox = outbox_level(status), status["outbox"]
    waiting = (
        f"{outbox['pending']} events wait to be published, the oldest for {lasting(outbox['oldest_age_s'])}"
    )
    if not status["relay"]:
        what = f"no relay{'; ' + waiting if outbox['pending'] else ''}"
        yield Finding(level, name, what, f"is a {name} worker running?")
    elif level:
        yield Finding(level, name, waiting, "does Kafka answer? see the worker's log")


def _of_group(group: dict[str, Any]) -> Iterator[Finding]:
    level = group_level(group)
    if not level:
        return
    age = "of unknown age" if group["age_s"] is None else f"the oldest {lasting(group['age_s'])} old"
    behind = f"{group['lag']} behind, {age}"
    if group["members"]:
        yield Finding(level, group["group"], behind)
    else:
        yield Finding(
            level, group["group"], f"nobody consumes; {behind}", "halted, or no worker: see its log"
        )


def letters_of(letters: dict[str, Any]) -> int:
    """Return how many letters of a group somebody, or a redrive, still has to deal with."""
    return int(letters["open"] + letters["parked"] + letters["redriving"])


def _of_letters(letters: dict[str, Any]) -> Iterator[Finding]:
    if not letters_of(letters):
        return
    parked = f", {letters['parked']} wait behind them" if letters["parked"] else ""
    what = f"{letters['open']} dead letters, the oldest {lasting(letters['oldest_age_s'])} old{parked}"
    yield Finding(Level.LATE, letters["group"], what, f"pixera dlq list --group {letters['group']}")


def _of_erasures(erasures: dict[str, Any]) -> Iterator[Finding]:
    if erasures["overdue"]:
        what = f"{erasures['overdue']} past the legal due date"
        yield Finding(Level.FAILING, "erasures", what, "pixera erasure list --open")
    if incomplete := erasures["by_state"].get("INCOMPLETE"):
        yield Finding(Level.LATE, "erasures", f"{incomplete} incomplete", "pixera erasure show <case>")
    if erasures["attention"]:
        yield Finding(
            Level.LATE, "erasures", f"{erasures['attention']} call for people", "pixera erasure list --open"
        )
    elif erasures["open"] and seconds_until(erasures["soonest_due_at"]) < DUE_SOON_S:
        yield Finding(Level.LATE, "erasures", "one is due within a week", "pixera erasure list --open")
