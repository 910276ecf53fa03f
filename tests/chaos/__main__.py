"""`make chaos`: seeds side by side on real platforms; exit 1 where a promise was broken."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import ceil
from multiprocessing import get_context
from pathlib import Path

from deploy.local.lifeline import die_with_parent
from tests.chaos import disk, summary, toxiproxy
from tests.chaos.evidence import console
from tests.chaos.lane import Played, Row, play_row

SEEDS, LANES = 80, 2
ROW = 10
"""Seeds that one rig plays: a start costs as much as one of them."""


def main() -> int:
    """Play the seeds that were asked for."""
    arguments = parse(sys.argv[1:])
    toxiproxy.install()
    if not disk.possible():
        console.print("chaos: this machine lets nobody mount, so no disk is filled.")
    began = time.monotonic()
    played = play(rows(arguments), arguments.lanes)
    run = summary.Run(command(arguments), arguments.lanes, time.monotonic() - began, played)
    summary.show(run)
    if arguments.markdown:
        summary.write(run, arguments.markdown)
    return 1 if any(run.violations()) else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """What `make chaos` was told."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many, {SEEDS} by default")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--lanes", type=int, default=LANES, help="platforms side by side")
    parser.add_argument("--seed", type=int, help="this one only, on a fresh platform")
    parser.add_argument("--defect", help="break this guarantee on purpose; see tests/chaos/defects.py")
    parser.add_argument("--markdown", type=Path, help="write the summary here too")
    return parser.parse_args(arguments)


def rows(arguments: argparse.Namespace) -> list[Row]:
    """The seeds, as rows that a rig plays one after another."""
    if arguments.seed is not None:
        return [Row([arguments.seed], arguments.defect)]
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    length = min(ROW, ceil(len(seeds) / arguments.lanes))
    return [Row(seeds[at : at + length], arguments.defect) for at in range(0, len(seeds), length)]


def play(wanted: Sequence[Row], lanes: int) -> list[Played]:
    """Play the rows, as many at once as there are lanes. A lane ends with this process, and its rig with the lane."""
    with ProcessPoolExecutor(
        min(lanes, len(wanted)),
        mp_context=get_context("spawn"),
        initializer=partial(die_with_parent, os.getpid()),
    ) as pool:
        return list(pool.map(play_row, wanted))


def command(arguments: argparse.Namespace) -> str:
    """How to do this again."""
    if arguments.seed is not None:
        return f"make chaos SEED={arguments.seed}"
    return f"make chaos SEEDS={arguments.seeds} FIRST={arguments.first}"


if __name__ == "__main__":
    sys.exit(main())
