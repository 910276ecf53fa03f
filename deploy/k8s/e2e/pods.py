"""What the cluster says of pods: how long each took to be ready, whether all are gone, what is wrong."""

import time
from collections.abc import Mapping
from datetime import datetime

from deploy.k8s.cluster import ClusterError, Json, found, kubectl

LOOK_EVERY_S = 0.5


def start_times(labels: Mapping[str, str]) -> list[float]:
    """Return the seconds from each container's start to its pod's being ready, as whole as the cluster tells."""
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    pods = [each for each in found("pod", selector) if "deletionTimestamp" not in each["metadata"]]
    return [_start_time(each) for each in pods]


def gone(selector: str, within_s: float) -> None:
    """Return once no such pod is left. Raises: ClusterError: one did not end within its time."""
    until = time.monotonic() + within_s
    while left := found("pod", selector):
        if time.monotonic() > until:
            raise ClusterError(f"{len(left)} pods are still there after {within_s:.0f} s")
        time.sleep(LOOK_EVERY_S)


def report() -> str:
    """Return the pods as they are, and the last events."""
    try:
        events = kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()[-30:]
        return "\n".join([kubectl("get", "pods", "--output", "wide"), *events])
    except ClusterError as error:
        return str(error)


def _start_time(pod: Json) -> float:
    (container,) = pod["status"]["containerStatuses"]
    (ready,) = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    began = datetime.fromisoformat(container["state"]["running"]["startedAt"])
    return (datetime.fromisoformat(ready["lastTransitionTime"]) - began).total_seconds()
