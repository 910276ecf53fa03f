"""`make contracts` writes what of the manifests is made from the code; `--check` fails where the files differ."""

import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.k8s.generate import dev, gateway, monitoring, scaling, secrets, settings, strimzi
from deploy.made import keep

HOME = Path(__file__).parents[1]


def made() -> Iterator[tuple[Path, str]]:
    """Yield every file with its text."""
    for module in (dev, gateway, monitoring, scaling, secrets, settings, strimzi):
        for path, text in module.files():
            yield HOME / path, text


if __name__ == "__main__":
    sys.exit(keep("contracts", dict(made()), HOME.glob("*/*/generated/*"), __doc__))
