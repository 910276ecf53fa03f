"""What this process has counted, read by tests."""

from prometheus_client import REGISTRY


def metric(name: str, **labels: str) -> float:
    """Return a metric's value; 0 where nothing was counted under it yet."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
