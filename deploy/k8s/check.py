"""`make k8s-check`: every overlay is rendered and each object held to its kind's schema; production to good practice.

The schemas are those of `schemas/`: Kubernetes' own kinds and the operators', and a kind without one is refused. What
is good practice is kube-score's word (ADR 0044).
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.k8s import render, tools

SCHEMAS = Path(__file__).parent / "schemas" / "{{.ResourceKind}}{{.KindSuffix}}.json"
KUBERNETES = "1.34"
PASSED = ("[OK]", "[SKIPPED]")
PRODUCTION = "prod"
"""The overlay that is held to good practice: what is for development has one of each."""


def main() -> int:
    """Check; 0 where nothing was found."""
    tools.install()
    found = list(faults())
    for fault in found:
        print(f"k8s-check: {fault}", file=sys.stderr)
    return 1 if found else 0


def faults() -> Iterator[str]:
    """Yield what is wrong, in words of whoever found it."""
    for overlay in render.overlays():
        try:
            text = render.text(overlay)
        except render.NotRendered as error:
            yield str(error)
            continue
        yield from (f"overlays/{overlay}: {said}" for said in against_schemas(text))
        if overlay == PRODUCTION:
            yield from (f"overlays/{overlay}: {said}" for said in against_practice(text))


def against_schemas(text: str) -> list[str]:
    """Return what kubeconform says of objects."""
    return _said(text, tools.KUBECONFORM, "-strict", "-schema-location", SCHEMAS)


def against_practice(text: str) -> list[str]:
    """Return what kube-score says of objects; what it is told to pass over says why beside it (base/pod/pod.yaml)."""
    told = ("--exit-one-on-warning", "--kubernetes-version", f"v{KUBERNETES}", "--output-format", "ci")
    # Processor time is not limited: it would slow down who could have what is idle.
    return _said(text, tools.KUBE_SCORE, "score", "-", *told, "--ignore-container-cpu-limit")


def _said(text: str, *command: str | Path) -> list[str]:
    """Return what a checker found, line by line; nothing where it was content."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(PASSED)] or [f"{command[0]} failed"]


if __name__ == "__main__":
    sys.exit(main())
