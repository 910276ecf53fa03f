"""One lane: seeds in a row on one rig, a fresh one after a failure, in a process of its own beside other lanes."""

import asyncio
import shutil
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deploy.local.errors import StackError
from deploy.local.home import ROOT
from libs.common import logging
from tests.chaos import evidence, memory
from tests.chaos.checker import unsettled, violations
from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.plan import Plan, plan
from tests.chaos.rig import LocalRig, rig
from tests.chaos.runner import PATIENCE, Checks, Outcome, Patience, play
from tests.chaos.stack import LEFT
from tests.chaos.workload import live

HOMES = ROOT / ".cache" / "chaos"
WARM_AFTER = 3
"""Seeds after which a rig's memory is the measure for what comes."""
CHECKS = Checks(Record, live, unsettled, violations)


@dataclass(frozen=True)
class Row:
    """Seeds that follow each other."""

    seeds: Sequence[int]


@dataclass
class Played:
    """What came of a row: its seeds, what was wrong with its rigs as a whole, the MiB that their processes added."""

    outcomes: list[Outcome] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    growth: dict[str, float] = field(default_factory=dict)


def play_row(row: Row) -> Played:
    """Play a row of seeds; what a lane's process is given to do."""
    logging.configure("chaos", "CRITICAL")  # that a server is down is no news here
    return asyncio.run(_play_row(row))


async def _play_row(row: Row) -> Played:
    played, rest = Played(), list(row.seeds)
    while rest:
        try:
            done = await _on_one_rig(Row(rest), played)
        except StackError as error:
            played.violations.append(Violation("harness", f"no rig for seeds {rest}", str(error)))
            break
        rest = rest[done:]
    return played


async def _on_one_rig(row: Row, played: Played) -> int:
    """Play until the row ends or a seed fails. Returns how many seeds were played."""
    home = HOMES / f"rig-{row.seeds[0]}"
    shutil.rmtree(home, ignore_errors=True)
    count, first, last = 0, memory.Sizes(), memory.Sizes()
    async with rig(home) as rigged:
        for count, seed in enumerate(row.seeds, start=1):
            outcome = await play_one(rigged, plan(seed, disks=rigged.has_disks))
            outcome = replace(outcome, first=row.seeds[0])
            played.outcomes.append(outcome)
            evidence.say(outcome)
            evidence.keep(outcome, rigged.home, evidence.folder(seed))
            if outcome.violations:
                break
            last = memory.measured(rigged.processes())
            first = last if count == WARM_AFTER else first
    _judge_rig(rigged, first, last, played)
    shutil.rmtree(home, ignore_errors=True)
    return count


async def play_one(rigged: LocalRig, drawn: Plan, patience: Patience = PATIENCE) -> Outcome:
    """Play one seed, whatever becomes of it."""
    try:
        return await play(rigged, drawn, CHECKS, patience)
    except Exception as error:  # noqa: BLE001 - the harness broke: this seed says nothing, and must not pass
        trace = "".join(traceback.format_exception(error))
        return Outcome(
            drawn, 0.0, None, [Violation("harness", type(error).__name__, trace)], timeline=rigged.log
        )


def _judge_rig(rigged: LocalRig, first: memory.Sizes, last: memory.Sizes, played: Played) -> None:
    """Look at what only the whole of a rig's life shows."""
    for name, added in memory.growth(first, last).items():
        played.growth[name] = max(added, played.growth.get(name, added))
    played.violations += memory.violations(first, last)
    left = next((moment.detail for moment in rigged.log if moment.what == LEFT), "the launcher did not say")
    if left:
        played.violations.append(Violation("no-process-leaked", "after the stop", left))
