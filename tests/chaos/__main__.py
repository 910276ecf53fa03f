"""`make chaos`: seeds side by side on real platforms; exit 1 where a promise was broken, or a defect was not seen."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from deploy.local.lifeline import die_with_parent
from tests.chaos import disk, planted, summary, toxiproxy
from tests.chaos.defects import DEFECTS
from tests.chaos.evidence import console
from tests.chaos.lane import Row, play_row

W = TypeVar("W")
R = TypeVar("R")

SEEDS, LANES = 80, 2
ROW = 10
"""Seeds that one rig plays: a start costs as much as one of them."""


def main() -> int:
    """Do what was asked for; return the exit code."""
    arguments = parse(sys.argv[1:])
    toxiproxy.install()
    return look_for_defects(arguments) if arguments.defect else play_seeds(arguments)


def play_seeds(arguments: argparse.Namespace) -> int:
    """Play seeds, and sum up what came of them."""
    if not disk.possible():
        console.print("chaos: this machine lets nobody mount, so no disk is filled.")
    began = time.monotonic()
    played = side_by_side(play_row, rows(arguments), arguments.lanes)
    run = summary.Run(command(arguments), arguments.lanes, time.monotonic() - began, played)
    summary.show(run)
    if arguments.markdown:
        summary.write(run, arguments.markdown)
    return 1 if any(run.violations()) else 0


def look_for_defects(arguments: argparse.Namespace) -> int:
    """Break guarantees on purpose, and see that the checker sees each."""
    names = [*DEFECTS] if arguments.defect == planted.ALL else [arguments.defect]
    one = arguments.seed is not None
    first, tries = (arguments.seed, 1) if one else (arguments.first, arguments.seeds or planted.TRIES)
    searches = [planted.Search(name, first, tries) for name in names]
    sightings = side_by_side(planted.look, searches, arguments.lanes)
    planted.show(sightings)
    if arguments.markdown:
        planted.write(command(arguments), sightings, arguments.markdown)
    return 0 if all(sighting.seen for sighting in sightings) else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    """What `make chaos` was told."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, help=f"how many, {SEEDS} by default; {planted.TRIES} for a defect"
    )
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--lanes", type=int, default=LANES, help="platforms side by side")
    parser.add_argument("--seed", type=int, help="this one only, on a fresh platform")
    parser.add_argument(
        "--defect",
        choices=[*DEFECTS, planted.ALL],
        help="break this guarantee on purpose, until that is seen",
    )
    parser.add_argument("--markdown", type=Path, help="write the summary here too")
    return parser.parse_args(arguments)


def rows(arguments: argparse.Namespace) -> list[Row]:
    """The seeds, as rows that a rig plays one after another."""
    wanted = seeds(arguments)
    length = min(ROW, ceil(len(wanted) / arguments.lanes))
    return [Row(wanted[at : at + length]) for at in range(0, len(wanted), length)]


def seeds(arguments: argparse.Namespace) -> Sequence[int]:
    """The seeds that were asked for."""
    if arguments.seed is not None:
        return [arguments.seed]
    return range(arguments.first, arguments.first + (arguments.seeds or SEEDS))


def side_by_side(do: Callable[[W], R], wanted: Sequence[W], lanes: int) -> list[R]:
    """Do what is wanted, as much at once as there are lanes. A lane ends with this process, and its rig with it."""
    with ProcessPoolExecutor(
        min(lanes, len(wanted)),
        mp_context=get_context("spawn"),
        initializer=partial(die_with_parent, os.getpid()),
    ) as pool:
        return list(pool.map(do, wanted))


def command(arguments: argparse.Namespace) -> str:
    """How to do this again."""
    told = {"DEFECT": arguments.defect, "SEED": arguments.seed}
    if arguments.seed is None:
        told |= {"SEEDS": arguments.seeds, "FIRST": arguments.first}
    return " ".join(["make chaos", *(f"{name}={value}" for name, value in told.items() if value is not None)])


if __name__ == "__main__":
    sys.exit(main())
