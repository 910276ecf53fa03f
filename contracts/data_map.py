"""The data map, the record of processing of GDPR Art. 30: for programs, for people, and in Fides' language."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from contracts import fides
from libs.common.events import PRODUCERS
from libs.common.privacy.data_map import data_map
from libs.common.privacy.data_map_page import markdown
from libs.common.privacy.holdings import Holdings, UndeclaredHolding

DECLARING = (
    *(f"services.{service}.privacy" for service in sorted(PRODUCERS)),
    "services.billing.providers.sandbox.models",  # another party's system, run here, with a database of its own
)


def all_holdings() -> list[Holdings]:
    """Return every declared holding of the platform."""
    return [import_module(module).HOLDINGS for module in DECLARING]


def undeclared() -> Iterator[str]:
    """Yield what services store and nobody answers for: each is asked what it asks itself before it starts."""
    for service in sorted(PRODUCERS):
        import_module(f"services.{service}.main")  # what its processes store is defined now
        yield from _faults(import_module(f"services.{service}.privacy").HOLDINGS)


def _faults(holdings: Holdings) -> list[str]:
    try:
        holdings.check()
    except UndeclaredHolding as fault:
        return [str(fault)]
    return []


def files() -> Iterator[tuple[Path, Any]]:
    """Yield the data map in its three forms with the paths they belong at."""
    record = data_map(all_holdings())
    yield Path("data-map.json"), record
    yield Path("data-map.md"), markdown(record)
    yield Path("data-map.fides.yml"), fides.text(record)
