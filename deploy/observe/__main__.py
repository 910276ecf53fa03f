"""`make observe` writes rules, their tests, dashboards and the list of metrics; `--check` tells what differs."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

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


def main() -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(prog="observe", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where something differs")
    files = dict(made())
    if parser.parse_args().check:
        stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
        stale += [path for path in GENERATED.rglob("*.json") if path not in files]
        if stale:
            print("observe: run `make observe` and read the diff:", *stale, sep="\n  ")
        return bool(stale)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
