"""The run as a whole: what was tried, what broke, how quickly the platform came to rest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from rich.console import Console
from rich.table import Table

from bench.report import commit, machine
from tests.chaos.evidence import again
from tests.chaos.lane import Played
from tests.chaos.model import Kind, Violation
from tests.chaos.runner import Outcome

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Run:
    """All that was played. Args: wall_s: of the whole run, lanes side by side."""

    command: str
    lanes: int
    wall_s: float
    played: Sequence[Played]

    def violations(self) -> Iterator[Violation]:
        """Every broken promise, of seeds and of rigs."""
        for played in self.played:
            yield from played.violations
            for outcome in played.outcomes:
                yield from outcome.violations

    def failed(self) -> list[Outcome]:
        """The seeds that broke a promise."""
        return [each for played in self.played for each in played.outcomes if each.violations]

    def rows(self) -> Rows:
        """The summary, as names and values."""
        outcomes = [outcome for played in self.played for outcome in played.outcomes]
        counts = sum((Counter(outcome.counts) for outcome in outcomes), Counter[str]())
        died = Counter(name for outcome in outcomes for name in outcome.died)
        recoveries = [each.recovery_s for each in outcomes if each.recovery_s is not None]
        resumed = [seconds for outcome in outcomes for seconds in outcome.resumed_after_s]
        faults = Counter(fault.kind for outcome in outcomes for fault in outcome.plan.faults)
        return [
            ("seeds", _number(len(outcomes))),
            ("wall time", f"{self.wall_s / 60:.1f} min in {self.lanes} lanes"),
            ("faults", _number(faults.total())),
            *((f"— {kind}", _number(faults[kind])) for kind in Kind),
            *((name, _number(count)) for name, count in sorted(counts.items())),
            ("processes that ended", f"{_number(died.total())} ({_most(died)})"),
            ("recovery, p50 / p95 / max", _spread(recoveries)),
            ("an erasure's killed step goes on, p50 / p95 / max", _spread(resumed)),
            ("memory added by a process after its third seed", self._growth()),
            ("violations", _number(sum(1 for _ in self.violations()))),
        ]

    def _growth(self) -> str:
        grown = [(added, name) for played in self.played for name, added in played.growth.items()]
        if not grown:
            return "not measured: no rig lived for four seeds"
        added, name = max(grown)
        return f"at most {added:+.0f} MiB ({name})"


def show(run: Run) -> None:
    """Print the summary."""
    table = Table(title="make chaos", title_justify="left", show_header=False, pad_edge=False)
    for row in run.rows():
        table.add_row(*row)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for violation in (violation for played in run.played for violation in played.violations):
        console.print(f"[red]✗[/] of a rig as a whole: {violation}")
    for outcome in run.failed():
        console.print(f"[red]✗[/] seed {outcome.plan.seed}: {again(outcome)}")


def head(command: str) -> str:
    """The line that says what was run where."""
    told = machine()
    return f"`{command}` at {commit()}: {told['cores']} cores, {told['memory_gib']} GiB, Python {told['python']}."


def write(run: Run, file: Path) -> None:
    """Effects: the summary as Markdown, with machine, commit and command."""
    rows = (f"| {name} | {value} |" for name, value in run.rows())
    kinds = Counter(violation.promise for violation in run.violations())
    broken = [f"- {promise}: {count}" for promise, count in kinds.items()]
    seeds = [f"- again: `{again(outcome)}`" for outcome in run.failed()]
    file.write_text(
        "\n".join([head(run.command), "", "| | |", "|---|---|", *rows, "", *broken, *seeds]).rstrip() + "\n"
    )


def _spread(seconds: Iterable[float]) -> str:
    values = sorted(seconds)
    if not values:
        return "none"
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    return f"{cuts[49]:.1f} / {cuts[94]:.1f} / {values[-1]:.1f} s ({len(values)})"


def _most(died: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in died.most_common())


def _number(value: int) -> str:
    return f"{value:,}"
