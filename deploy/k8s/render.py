"""`make k8s-render o=prod`: an overlay as the objects that it comes to, as `kubectl apply -k` would send them."""

import argparse
import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from deploy.k8s import tools

Json = dict[str, Any]

HERE = Path(__file__).parent
OVERLAYS = HERE / "overlays"


class NotRendered(RuntimeError):
    """Kustomize refused; its words say why."""


def overlays() -> list[str]:
    """Return the names of the overlays that there are."""
    return sorted(folder.parent.name for folder in OVERLAYS.glob("*/kustomization.yaml"))


@functools.cache
def text(overlay: str) -> str:
    """Return an overlay's objects as YAML. Raises: NotRendered."""
    command: list[str | Path] = [tools.kubectl(), "kustomize", OVERLAYS / overlay]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotRendered("there is no kubectl here: install it, and run this again") from error
    if done.returncode:
        raise NotRendered(f"overlays/{overlay}: {done.stderr.strip()}")
    return done.stdout


@functools.cache
def objects(overlay: str) -> tuple[Json, ...]:
    """Return an overlay's objects. Raises: NotRendered."""
    return tuple(yaml.load_all(text(overlay), Loader=yaml.CSafeLoader))


def main() -> int:
    """Print an overlay; 1 where there is none of the name, or it does not render."""
    parser = argparse.ArgumentParser(prog="python -m deploy.k8s.render", description=__doc__)
    parser.add_argument("overlay", choices=overlays())
    try:
        print(text(parser.parse_args().overlay), end="")
    except NotRendered as error:
        print(f"render: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
