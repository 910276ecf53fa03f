"""`make k8s-up` and `make k8s-down`: overlays/dev on the cluster of KUBECONFIG, from nothing to ready and away again.

A release goes the same way: first what it needs (servers, settings, the Jobs that make topics, collections and
indexes), and the services once those Jobs are done.
"""

import argparse
import sys
from collections.abc import Iterable

from deploy.k8s import render, secrets
from deploy.k8s.cluster import NAMESPACE, ClusterError, Json, apply, kubectl, wait

COMPONENT = "app.kubernetes.io/component"
SERVICES = "api, worker, renderer"
SERVERS_S, JOBS_S, SERVICES_S = 600.0, 900.0, 600.0
GONE_S = 180.0


def up(overlay: str = "dev") -> None:
    """Return when everything is ready. Raises: ClusterError."""
    objects = render.objects(overlay)
    apply(each for each in objects if each["kind"] == "Namespace")
    secrets.ensure()
    kubectl("delete", "job", "--selector", f"{COMPONENT} in (stores,prepare)", "--ignore-not-found")
    jobs = [each for each in objects if each["kind"] == "Job"]
    later = [each for each in objects if is_of_service(each)]
    stores, prepare = (_of_component(jobs, component) for component in ("stores", "prepare"))
    apply([*(each for each in objects if each not in jobs and each not in later), *stores])
    wait("job", "condition=Complete", f"{COMPONENT}=stores", SERVERS_S)  # the database takes writes only then
    wait("deployment", "condition=Available", f"{COMPONENT} notin ({SERVICES})", SERVERS_S)
    apply(prepare)
    wait("job", "condition=Complete", f"{COMPONENT}=prepare", JOBS_S)
    apply(later)
    wait("deployment", "condition=Available", f"{COMPONENT} in ({SERVICES})", SERVICES_S)


def down() -> None:
    """Return when nothing of it is left: all that it has is in its namespace."""
    gone = f"--timeout={GONE_S:.0f}s"
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", gone, within_s=GONE_S + 60)


def is_of_service(thing: Json) -> bool:
    """Tell whether an object is a service's Deployment, which is rolled out last."""
    return thing["kind"] == "Deployment" and _component(thing) in SERVICES.split(", ")


def _component(thing: Json) -> str:
    return str(thing["spec"]["template"]["metadata"]["labels"].get(COMPONENT, ""))


def _of_component(things: Iterable[Json], component: str) -> list[Json]:
    return [each for each in things if _component(each) == component]


def main() -> int:
    """Put it up, or take it down; 1 where the cluster would not."""
    parser = argparse.ArgumentParser(prog="python -m deploy.k8s.installation", description=__doc__)
    parser.add_argument("what", choices=("up", "down"))
    try:
        up() if parser.parse_args().what == "up" else down()
    except (ClusterError, render.NotRendered) as error:
        print(f"k8s: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
