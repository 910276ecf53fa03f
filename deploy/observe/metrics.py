"""Every metric of the platform, found where it is made, and the page that lists them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

ROOT = Path(__file__).parents[2]
PLACES = ("libs/common", "services")
NAME = re.compile(r"\b(?:pixera_[a-z0-9_]+)\b")
SUFFIXES = ("_bucket", "_count", "_sum", "_total")


@dataclass(frozen=True)
class Metric:
    """One metric. Args: name: as Prometheus has it; labels: what it is told apart by; module: where it is made."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    module: str


def every() -> list[Metric]:
    """Return all metrics that a process of the platform may have, by name."""
    found = {metric.name: metric for module in _modules() for metric in _of(module)}
    return [found[name] for name in sorted(found)]


def named(expression: str) -> set[str]:
    """Return the metrics that a query asks for, without what Prometheus adds to the names of histograms."""
    known = {metric.name for metric in every()}
    return {name if name in known else _plain(name) for name in NAME.findall(expression)}


def page() -> str:
    """Return the list of metrics as Markdown."""
    lines = [
        "# Metrics",
        "",
        "Made from the code by `make observe`; not edited by hand. Every process answers `/metrics`.",
        "Labels are bounded: services, groups, topics, states and codes, never an id of anyone.",
    ]
    for place in PLACES:
        for module, metrics in _by_module(place).items():
            lines += [
                "",
                f"## `{module}`",
                "",
                "| metric | kind | labels | what it says |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| `{each.name}` | {each.kind} | {', '.join(each.labels) or '-'} | {each.meaning} |"
                for each in metrics
            ]
    return "\n".join(lines) + "\n"


def _by_module(place: str) -> dict[str, list[Metric]]:
    grouped: dict[str, list[Metric]] = {}
    for metric in every():
        if metric.module.startswith(place):
            grouped.setdefault(metric.module, []).append(metric)
    return dict(sorted(grouped.items()))


def _plain(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _modules() -> Iterator[Path]:
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.py")):
            if "from prometheus_client import" in path.read_text():
                yield path.relative_to(ROOT)


def _of(path: Path) -> Iterator[Metric]:
    module = import_module(".".join(path.with_suffix("").parts))
    for value in vars(module).values():
        if isinstance(value, MetricWrapperBase):
            (family,) = value.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = value._labelnames  # noqa: SLF001 - the library tells them nowhere else
            yield Metric(name, family.type, labels, family.documentation, str(path))
