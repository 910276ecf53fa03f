"""The data map: what personal data is where, why, on what ground, for how long, and how it is erased."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from libs.common.events import PRODUCERS
from libs.common.privacy.data_map import data_map, markdown
from libs.common.privacy.holdings import Holdings

DECLARING = (
    *(f"services.{service}.privacy" for service in sorted(PRODUCERS)),
    "services.billing.providers.sandbox.models",  # another party's system, run here, with a database of its own
)


def all_holdings() -> list[Holdings]:
    """Return every declared holding of the platform."""
    return [import_module(module).HOLDINGS for module in DECLARING]


def files() -> Iterator[tuple[Path, Any]]:
    """Yield the data map, for machines and for people, with the paths they belong at."""
    record = data_map(all_holdings())
    yield Path("data-map.json"), record
    yield Path("data-map.md"), markdown(record)
