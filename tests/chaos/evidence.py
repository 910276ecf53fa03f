"""What is told of a seed while it runs, and what is kept of one that failed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from deploy.local.home import ROOT, Home
from tests.chaos.model import Moment
from tests.chaos.runner import Outcome

PLAYED = ROOT / ".cache" / "chaos" / "played"
SHOWN_TIMELINE = 60
console = Console(highlight=False, soft_wrap=True)


def again(outcome: Outcome) -> str:
    """The commands that play a seed again: by itself, and after the seeds that its rig had been through."""
    seed, first = outcome.plan.seed, outcome.first
    alone = f"make chaos SEED={seed}"
    if first is None or first == seed:
        return alone
    return f"{alone}, or on a rig as old: make chaos FIRST={first} SEEDS={seed - first + 1} LANES=1"


def say(outcome: Outcome) -> None:
    """One line for a seed that went well; everything for one that did not."""
    seed, faults = outcome.plan.seed, ", ".join(fault.name for fault in outcome.plan.faults)
    if not outcome.violations:
        console.print(
            f"[green]✓[/] seed {seed}: {outcome.wall_s:.0f} s, at rest after {outcome.recovery_s:.1f} s; {faults}"
        )
        return
    console.print(f"[red]✗[/] seed {seed} failed. Again: [bold]{again(outcome)}[/]")
    console.print("\n".join(report(outcome, SHOWN_TIMELINE)), markup=False)
    console.print(f"  all of it, with the logs: {folder(seed)}", markup=False)


def keep(outcome: Outcome, home: Home, target: Path) -> None:
    """Effects: the report of a seed is in that folder, with all logs when it failed, until it is played again."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    (target / "report.txt").write_text("\n".join(report(outcome, None)) + "\n")
    if outcome.violations:
        shutil.copytree(home.logs, target / "logs")
        shutil.copy(home.root / "launcher.log", target / "logs")


def folder(seed: int) -> Path:
    """Where a seed is kept."""
    return PLAYED / f"seed-{seed}"


def report(outcome: Outcome, most: int | None) -> Iterator[str]:
    """A seed line by line. Args: most: the last moments of the timeline; None for all."""
    yield "  faults:"
    yield from (f"    {fault}" for fault in outcome.plan.faults)
    yield "  violations:"
    yield from (f"    {violation}" for violation in outcome.violations)
    yield "  timeline (seconds from its beginning):"
    shown = outcome.timeline if most is None else outcome.timeline[-most:]
    yield from (f"    {_line(moment, outcome.timeline[0].monotonic)}" for moment in shown)


def _line(moment: Moment, since: float) -> str:
    return f"{moment.monotonic - since:7.2f}  {moment.what:<15} {moment.name:<22} {moment.detail}".rstrip()
