"""`make bench`: every benchmark on a stack of its own; exit 1 where a bar was missed."""

import argparse
import asyncio
import shutil
import sys

from bench import (
    api,
    at_rest,
    bus,
    ceilings,
    erasure,
    export,
    fairness,
    generation,
    observing,
    replay,
    scaling,
    sealing,
    unit_costs,
)
from deploy.local.home import ROOT
from deploy.local.spawn import started
from libs.common import logging

HOME = ROOT / ".pixera" / "bench"
BENCHMARKS = {
    "erasure": erasure.run,
    "bus": bus.run,
    "api": api.run,
    "generation": generation.run,
    "replay": replay.run,
    "sealing": sealing.run,
    "at-rest": at_rest.run,
    "export": export.run,
    "observing": observing.run,
    "scaling": scaling.run,
    "fairness": fairness.run,
    "unit-costs": unit_costs.run,
    "ceilings": ceilings.run,
}
ENVIRONMENTS = {"scaling": scaling.ENV, "fairness": scaling.ENV}
"""What the platform is told for a benchmark, besides what it is always told."""


def main() -> int:
    """Run the chosen benchmarks one after another; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="all if none is named")
    logging.configure("bench", "ERROR")
    held = True
    for name in parser.parse_args().names or BENCHMARKS:
        shutil.rmtree(HOME, ignore_errors=True)
        with started(HOME, env=ENVIRONMENTS.get(name)) as stack:
            held &= asyncio.run(BENCHMARKS[name](stack))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
