"""`make observe` writes rules, their tests, dashboards and the list of metrics; `--check` tells what differs."""

import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.made import keep
from deploy.observe import metrics, rules
from deploy.observe.dashboards import DASHBOARDS

HERE = Path(__file__).parent
GENERATED = HERE / "generated"
PAGE = metrics.ROOT / "docs" / "metrics.md"


def made() -> Iterator[tuple[Path, str]]:
    """Yield every file with its text."""
    yield GENERATED / rules.RULES, rules.text(rules.rules())
    yield GENERATED / "rules.test.yaml", rules.text(rules.tests())
    for dashboard in DASHBOARDS:
        yield GENERATED / "dashboards" / f"{dashboard.name}.json", dashboard.json()
    yield PAGE, metrics.page()


if __name__ == "__main__":
    sys.exit(keep("observe", dict(made()), GENERATED.rglob("*.json"), __doc__))
