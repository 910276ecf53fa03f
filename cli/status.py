"""`pixera status`: how the whole platform is, on one screen."""

import dataclasses
import time
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.live import Live

from cli.health import Finding, findings
from cli.output import NO, UNKNOWN, AsJson, console, emit, fail
from cli.platform import Platform
from cli.screen import draw
from cli.snapshot import Snapshot, take


def show(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on looking until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks of --watch.")] = 2.0,
    groups: Annotated[bool, typer.Option("--groups", help="Show every consumer group too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how the platform is: processes, lag, outboxes, relays, dead letters, open erasures.

    Without a staff account it tells only what answers.
    """
    if watch and as_json:
        fail("--watch draws a screen: take --json in a loop of your own.")
    platform = Platform()
    snapshot = _watch(platform, every, groups=groups) if watch else take(platform)
    found = findings(snapshot)
    if as_json:
        emit(_as_json(snapshot, found))
    elif not watch:
        console().print(draw(snapshot, found, every_group=groups))
    raise typer.Exit(_code(snapshot, found))


def _watch(platform: Platform, every: float, *, groups: bool) -> Snapshot:
    """Draw again and again; return the last look."""
    snapshot = take(platform)
    with suppress(KeyboardInterrupt), Live(console=console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(draw(snapshot, findings(snapshot), every_group=groups), refresh=True)
            time.sleep(every)
            snapshot = take(platform)
    return snapshot


def _code(snapshot: Snapshot, found: list[Finding]) -> int:
    if found:
        return NO
    return UNKNOWN if snapshot.untold else 0


def _as_json(snapshot: Snapshot, found: list[Finding]) -> dict[str, Any]:
    told = dataclasses.asdict(snapshot) | {"at": snapshot.at.isoformat()}
    listed = [dataclasses.asdict(finding) | {"level": finding.level.name.lower()} for finding in found]
    return {"well": _code(snapshot, found) == 0, "findings": listed, **told}
