"""`make contracts` writes what of the manifests is made from the code; `--check` fails where the files differ."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.k8s.generate import dev, gateway, monitoring, scaling, secrets, settings, strimzi

HOME = Path(__file__).parents[1]


def made() -> Iterator[tuple[Path, str]]:
    """Yield every file with its text."""
    for module in (dev, gateway, monitoring, scaling, secrets, settings, strimzi):
        for path, text in module.files():
            yield HOME / path, text


def main() -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.k8s.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where something differs")
    files = dict(made())
    if parser.parse_args().check:
        stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
        stale += [path for path in HOME.glob("*/*/generated/*") if path not in files]
        if stale:
            print("k8s: run `make contracts` and read the diff:", *stale, sep="\n  ")
        return bool(stale)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
