"""`python -m bench.capacity`: the measured unit costs times a load, as the table and the plot of docs/scaling.md."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.plot import Line, drawn
from bench.report import RESULTS, ROOT
from libs.common.bus.topics import MORE_PARTITIONS

PLOT = ROOT / "docs" / "images" / "scaling.svg"
FACTORS = (1, 10, 100, 1_000)
GENERATED_A_DAY, UPLOADED_A_DAY, ERASED_A_DAY = 10_000, 5_000, 10
PEAK = 4
"""A busy hour by the day's mean."""
DAY_S = 86_400
IMAGES_OF_THE_ERASED = 10
READS = ("find", "aggregate", "getMore")
STORES = ("mongo", "s3", "kafka")


@dataclass(frozen=True)
class Costs:
    """What is measured: by step and meter, and what one server does in a second."""

    units: Mapping[str, float]
    ceilings: Mapping[str, float]

    @classmethod
    def kept(cls) -> "Costs":
        """Return what the last benchmarks kept."""
        return cls(_figures("unit-costs"), _figures("ceilings"))

    def a_second(self, meter: str) -> float:
        """Return what the base load asks of a meter in a second of the busy hour."""
        steps = {
            "image generated": GENERATED_A_DAY,
            "image uploaded": UPLOADED_A_DAY,
            f"erasure with {IMAGES_OF_THE_ERASED} images": ERASED_A_DAY,
        }
        a_day = sum(self.units.get(f"{step}: {meter}", 0.0) * count for step, count in steps.items())
        return a_day * PEAK / DAY_S

    def meters(self, server: str) -> list[str]:
        """Return the meters of a server."""
        return sorted({name.partition(": ")[2] for name in self.units if f": {server} " in name})


def _figures(name: str) -> dict[str, float]:
    rows = json.loads((RESULTS / f"{name}.json").read_text())["figures"]
    return {row["what"]: row["ours"] for row in rows}


def uses(costs: Costs) -> dict[str, float]:
    """Return how much of one of each thing the base load uses in the busy hour, 1 being all of it."""
    renderers = costs.a_second("cpu generation-worker") / 1_000
    commits = costs.a_second("mongo commitTransaction")
    reads = sum(costs.a_second(f"mongo {name}") for name in READS)
    calls = sum(costs.a_second(meter) for meter in costs.meters("s3") if "bytes" not in meter)
    workers = [meter for meter in costs.meters("cpu") if meter.endswith("-worker")]
    others = sum(costs.a_second(meter) for meter in workers) / 1_000 - renderers
    return {
        "one MongoDB: transactions": commits / costs.ceilings["MongoDB: transactions of two inserts"],
        "one MongoDB: reads": reads / costs.ceilings["MongoDB: finds by key"],
        "one object store: calls": calls / costs.ceilings["S3: PUT of 100 kB"],
        "renderers of one core, of 12": renderers / MORE_PARTITIONS["generation.queued"],
        "cores of the other workers": others,
    }


def stored(costs: Costs) -> dict[str, float]:
    """Return the bytes that the base load adds in a day, by store; a day's mean and not its busy hour."""
    return {store: costs.a_second(f"{store} bytes") * DAY_S / PEAK for store in STORES}


def table(costs: Costs) -> str:
    """Return the table of docs/scaling.md."""
    head = ["", *(f"{factor:,}x" for factor in FACTORS)]
    rows = [
        [
            what,
            *(f"{use * factor:.2g}" if use * factor < 10 else f"{use * factor:,.0f}" for factor in FACTORS),
        ]
        for what, use in uses(costs).items()
    ]
    rows += [
        [f"{store}, a day", *(_size(size * factor) for factor in FACTORS)]
        for store, size in stored(costs).items()
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1_000:
            return f"{size:.3g} {unit}"
        size /= 1_000
    return f"{size:.3g} TB"


def main(plot: Path = PLOT) -> int:
    """Print the table and draw the plot."""
    costs = Costs.kept()
    plot.write_text(drawn([Line(what, use) for what, use in uses(costs).items()], FACTORS))
    sys.stdout.write(table(costs) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
