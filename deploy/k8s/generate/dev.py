"""The development servers of overlays/dev: those of `make run`, as Deployments, under the names of the cluster.

Their data go with their pods. Nothing of this is for production.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.k8s.generate.objects import Json, made, text
from deploy.local import gateway, gateway_routes
from deploy.local.components import kafka

FOLDER = Path("overlays/dev/generated")
DATA, CONFIG = "/data", "/etc/pixera"
UID = 10001
SERVICE, GATEWAY, ADMIN, S3, KAFKA, CONTROLLER, MONGO, SMTP = 8000, 8080, 9901, 8333, 9092, 9093, 27017, 1025
PORTS = {
    **{f"{service}-api": SERVICE for service in gateway_routes.SERVICES},
    "pay": SERVICE,
    "desk": SERVICE,
    "s3": S3,
    "gateway": GATEWAY,
    "gateway_admin": ADMIN,
}


@dataclass(frozen=True)
class Server:
    """A server as a pod. Args: ports: the first one says that it is ready; mebibytes: the most that it may use."""

    name: str
    ports: tuple[int, ...]
    mebibytes: int
    secrets: str | None = None
    drains: bool = False


SERVERS = (
    Server("kafka", (KAFKA,), 768),
    Server("mongo", (MONGO,), 1024),
    Server("s3", (S3,), 1024, secrets="stack-secrets"),
    Server("desk", (SERVICE, SMTP), 256),
    Server("pay", (SERVICE,), 256, secrets="pay-secrets"),
    Server("gateway", (GATEWAY,), 256, drains=True),
)


def files() -> Iterator[tuple[Path, str]]:
    """Yield the servers and how they are configured."""
    yield FOLDER / "servers.yaml", text([*_servers(), _stores()])
    yield FOLDER / "kafka.properties", _kafka()
    yield FOLDER / "envoy.json", json.dumps(gateway.configuration(_gateway()), indent=1) + "\n"


def _servers() -> Iterator[Json]:
    for server in SERVERS:
        yield _deployment(server)
        ports = [{"name": f"port-{port}", "port": port, "targetPort": port} for port in server.ports]
        yield made("Service", "v1", server.name, {"selector": _labels(server.name), "ports": ports})


def _deployment(server: Server) -> Json:
    pod = _pod(server)
    container = pod["containers"][0]
    container["ports"] = [{"containerPort": port} for port in server.ports]
    container["readinessProbe"] = {"tcpSocket": {"port": server.ports[0]}, "periodSeconds": 2}
    if server.drains:
        drain = ["python", "-m", "deploy.k8s.servers", "drain-gateway"]
        container["lifecycle"] = {"preStop": {"exec": {"command": drain}}}
    spec = {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate" if server.drains else "Recreate"},
        "selector": {"matchLabels": _labels(server.name)},
        "template": {"metadata": {"labels": _labels(server.name)}, "spec": pod},
    }
    return made("Deployment", "apps/v1", server.name, spec, labels=_labels(server.name))


def _stores() -> Json:
    """What fresh servers need before anything starts: a replica set, buckets, topics."""
    pod = _pod(Server("stores", (), 256, secrets="stack-secrets")) | {"restartPolicy": "OnFailure"}
    labels = {"app.kubernetes.io/component": "stores"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"backoffLimit": 20, "activeDeadlineSeconds": 900, "template": template}
    return made("Job", "batch/v1", "stores", spec, labels=labels)


def _pod(server: Server) -> Json:
    sources: list[Json] = [{"configMapRef": {"name": "settings"}}]
    sources += [{"secretRef": {"name": server.secrets}}] if server.secrets else []
    container = {
        "name": server.name,
        "image": "pixera/stack",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "deploy.k8s.servers", server.name],
        "envFrom": sources,
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"memory": f"{server.mebibytes}Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            {"name": "config", "mountPath": CONFIG},
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "fsGroup": UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "config", "configMap": {"name": "servers"}},
        ],
    }


def _labels(name: str) -> dict[str, str]:
    component = "gateway" if name == "gateway" else "server"
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": component}


def _kafka() -> str:
    """Return the broker's settings: those of `make run`, listened to by the namespace. The last word counts."""
    here = f"listeners=PLAINTEXT://:{KAFKA},CONTROLLER://127.0.0.1:{CONTROLLER}\n"
    told = f"advertised.listeners=PLAINTEXT://kafka:{KAFKA}\n"
    return kafka.properties(Path(DATA) / "kafka", KAFKA, CONTROLLER) + here + told


def _gateway() -> gateway.GatewaySettings:
    hosts = {name: name for name in gateway_routes.UPSTREAMS}
    return gateway.GatewaySettings(
        PORTS,
        "/dev/stdout",
        gateway.REQUESTS_PER_SECOND,
        gateway.CREDENTIALS_PER_MINUTE,
        public_host="gateway",
        listen="0.0.0.0",  # noqa: S104 - in a pod, whose NetworkPolicy says who gets there
        hosts=hosts,
    )
