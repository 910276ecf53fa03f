"""The planted-defect check: one guarantee at a time is broken on purpose, and the checker has to see just that."""

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

from rich.table import Table

from deploy.local.errors import StackError
from libs.common import logging
from tests.chaos import evidence
from tests.chaos.defects import DEFECTS, Defect
from tests.chaos.evidence import console
from tests.chaos.lane import HOMES, play_one
from tests.chaos.plan import Plan
from tests.chaos.rig import rig
from tests.chaos.runner import Outcome, Patience
from tests.chaos.summary import head
from tests.chaos.workload import draw

ALL = "all"
TRIES = 6
"""Seeds for each defect, at most."""
LASTS_S = 30.0
"""People are done in about half of it, and later on a busy machine: what shows a defect often comes at their end."""
CUT_SHORT = Patience(settles_s=30.0, still_s=12.0)
"""What stands still for longer than a consumer group misses a member is not under way any more: it is broken."""


@dataclass(frozen=True)
class Search:
    """What a lane is given to do. Args: first: the seed from which on those are played that can show the defect."""

    defect: str
    first: int
    tries: int

    def seeds(self) -> Iterator[int]:
        """Yield the seeds in which somebody does what is needed."""
        can_show = (seed for seed in count(self.first) if _can_show(DEFECTS[self.defect], seed))
        return islice(can_show, self.tries)


@dataclass
class Sighting:
    """How a defect was looked for. Args: seeds: that were played. seen: by which promises, in the last of them."""

    defect: str
    seeds: list[int] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    wall_s: float = 0.0

    def row(self) -> tuple[str, ...]:
        """Return what the table says of it."""
        found = (", ".join(self.seen), str(self.seeds[-1])) if self.seen else ("nothing: not seen", "—")
        return self.defect, *found, str(len(self.seeds)), f"{self.wall_s:.0f} s"


HEADER = ("defect", "seen by", "at seed", "seeds it took", "time")


def look(search: Search) -> Sighting:
    """Play seeds on a rig with a defect until it is seen. What a lane's process is given to do."""
    logging.configure("chaos", "CRITICAL")  # that a server is down is no news here
    began, sighting = time.monotonic(), Sighting(search.defect)
    try:
        asyncio.run(_look(search, sighting))
    except StackError as error:
        console.print(f"[red]✗[/] no rig for {search.defect}: {error}")
    sighting.wall_s = time.monotonic() - began
    return sighting


def show(sightings: Sequence[Sighting]) -> None:
    """Print the table."""
    table = Table(*HEADER, title="make chaos DEFECT=…", title_justify="left")
    for sighting in sightings:
        table.add_row(*sighting.row(), style=None if sighting.seen else "red")
    console.print(table)


def write(command: str, sightings: Sequence[Sighting], file: Path) -> None:
    """Effects: the table as Markdown, with machine, commit and command."""
    rows = (HEADER, ["---"] * len(HEADER), *(sighting.row() for sighting in sightings))
    lines = (f"| {' | '.join(row)} |" for row in rows)
    file.write_text("\n".join([head(command), "", *lines]) + "\n")


async def _look(search: Search, sighting: Sighting) -> None:
    home, defect = HOMES / f"rig-{search.defect}", DEFECTS[search.defect]
    shutil.rmtree(home, ignore_errors=True)
    async with rig(home, search.defect) as rigged:
        for seed in search.seeds():
            outcome = await play_one(rigged, _plan(defect, seed), CUT_SHORT)
            sighting.seeds.append(seed)
            sighting.seen = defect.seen_in(outcome.violations)
            folder = evidence.PLAYED / f"{search.defect}-{seed}"
            evidence.keep(outcome, rigged.home, folder)
            _say(sighting, outcome, folder)
            if sighting.seen:
                break
    shutil.rmtree(home, ignore_errors=True)


def _plan(defect: Defect, seed: int) -> Plan:
    return Plan(seed, LASTS_S, defect.exposed_by)


def _can_show(defect: Defect, seed: int) -> bool:
    parts = draw(_plan(defect, seed).workload())
    return any(defect.can_show_in(step.what for step in part.steps) for part in parts)


def _say(sighting: Sighting, outcome: Outcome, folder: Path) -> None:
    about = f"{sighting.defect}, seed {outcome.plan.seed}, {outcome.wall_s:.0f} s"
    if sighting.seen:
        console.print(f"[green]✓[/] {about}: seen by {', '.join(sighting.seen)}")
        return
    others = sorted({violation.promise for violation in outcome.violations})
    console.print(f"[yellow]·[/] {about}: not seen ({', '.join(others) or 'nothing was wrong'}); {folder}")
