"""The alerts and objectives of `deploy/observe` as the Prometheus operator takes them."""

from collections.abc import Iterator
from pathlib import Path

from deploy.k8s.generate.objects import made, text
from deploy.observe import rules

API = "monitoring.coreos.com/v1"
FOLDER = Path("components/monitoring/generated")


def files() -> Iterator[tuple[Path, str]]:
    """Yield the rules; the dashboards are files already (deploy/observe/kustomization.yaml)."""
    yield FOLDER / "rules.yaml", text([made("PrometheusRule", API, "pixera", rules.rules())])
