"""What a benchmark prints and keeps: figures against a raw baseline of the same run, and where they were taken."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Figure:
    """One measured thing.

    Args:     baseline: the raw way of doing the same in the same run; bar: what the ratio (or the figure itself,
              where there is no baseline) is held against, such as `<= 1.5`; samples: how many were measured.
    """

    what: str
    ours: float
    unit: str
    samples: int
    baseline: float | None = None
    bar: str = ""

    @property
    def ratio(self) -> float | None:
        """Return ours by the baseline."""
        return self.ours / self.baseline if self.baseline else None

    @property
    def held(self) -> bool | None:
        """Tell whether the bar was reached; None where there is none."""
        if not self.bar:
            return None
        sign, limit = self.bar.split()
        value = self.ours if self.ratio is None else self.ratio
        return value <= float(limit) if sign == "<=" else value >= float(limit)


def p50(samples: Sequence[float]) -> float:
    """Return the median."""
    return median(samples)


def p99(samples: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return quantiles(samples, n=100, method="inclusive")[98]


def keep(name: str, figures: Sequence[Figure]) -> bool:
    """Print the figures and write them to `bench/results/<name>.json`; tell whether every bar was reached."""
    RESULTS.mkdir(exist_ok=True)
    rows = [asdict(figure) | {"ratio": figure.ratio, "held": figure.held} for figure in figures]
    body = {"machine": machine(), "commit": commit(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    (RESULTS / f"{name}.json").write_text(json.dumps(body | {"figures": rows}, indent=2) + "\n")
    _show(name, figures)
    return all(figure.held is not False for figure in figures)


def _show(name: str, figures: Sequence[Figure]) -> None:
    table = Table(title=name, title_justify="left", title_style="bold", header_style="dim", pad_edge=False)
    for column in ("", "ours", "raw", "ratio", "bar", "n"):
        table.add_column(column, justify="left" if not column else "right")
    for figure in figures:
        colour = {True: "green", False: "red", None: "default"}[figure.held]
        raw = f"{figure.baseline:,.3g} {figure.unit}" if figure.baseline is not None else ""
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        bar = f"[{colour}]{figure.bar}[/]"
        table.add_row(figure.what, f"{figure.ours:,.3g} {figure.unit}", raw, ratio, bar, str(figure.samples))
    Console(highlight=False).print(table)


def machine() -> dict[str, object]:
    """Return what this machine is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def commit() -> str:
    """Return what is checked out; `-dirty` where it was changed since."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
