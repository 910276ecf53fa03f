"""Which connections of the platform lead through the fault proxy, and what their ends are told instead.

Kafka sends its clients to the address that it advertises, so that each service has a listener of its own there
which advertises the proxy. MongoDB would lead its clients past the proxy to the replica set's member: they are
told to stay where they connected. People's links to the object store go on leading to the gateway.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.local.components.kafka import Listener
from deploy.local.gateway_routes import SERVICES
from deploy.local.ports import HOST

WITH_OBJECTS = ("gallery", "generation", "privacy")
PAIRS = (
    *((service, server) for service in SERVICES for server in ("kafka", "mongod")),
    *((service, "s3") for service in WITH_OBJECTS),
    *(("auth", "mail"), ("billing", "pay"), ("pay", "billing")),
    *(("envoy", f"{service}-api") for service in SERVICES),
)
UPSTREAMS = {"mongod": "mongo", "mail": "smtp", "billing": "billing-api"}
"""The name of the port behind a link, where it is not the target's own."""
TOLD = {
    "kafka": ("PIXERA_KAFKA_BOOTSTRAP", f"{HOST}:{{}}"),
    "mongod": ("PIXERA_MONGO_URI", f"mongodb://{HOST}:{{}}/?directConnection=true"),
    "s3": ("PIXERA_S3_ENDPOINT", f"http://{HOST}:{{}}"),
    "mail": ("PIXERA_SMTP_PORT", "{}"),
    "pay": ("PIXERA_PAY_URL", f"http://{HOST}:{{}}"),
    "billing": ("PIXERA_BILLING_URL", f"http://{HOST}:{{}}"),
}
"""By target, the setting that says where it is."""

PROXY = "toxiproxy"
CONTROL = "control"
MORE_WORKERS = ("generation-worker-2", "generation-worker-3", "gallery-worker-2", "billing-worker-2")


@dataclass(frozen=True)
class Link:
    """One connection. Args: listen: the proxy's port. upstream: where it leads."""

    name: str
    listen: int
    upstream: int


def name_of(source: str, target: str) -> str:
    """How faults and ports name a link."""
    return f"{source}->{target}"


NAMES = tuple(name_of(*pair) for pair in PAIRS)


def _listener(service: str) -> str:
    """The name of the port on which Kafka listens for one service."""
    return f"kafka for {service}"


PORTS = (PROXY, CONTROL, *NAMES, *(_listener(service) for service in SERVICES), *MORE_WORKERS)
OFFSETS = {name: offset for offset, name in enumerate(PORTS)}
"""The rig's ports besides those of every stack, in a block of their own."""


def links(ports: Mapping[str, int]) -> Iterator[Link]:
    """Every link with its ports."""
    for source, target in PAIRS:
        upstream = _listener(source) if target == "kafka" else UPSTREAMS.get(target, target)
        yield Link(name_of(source, target), ports[name_of(source, target)], ports[upstream])


def listeners(ports: Mapping[str, int]) -> list[Listener]:
    """Kafka's door for each service."""
    return [
        Listener(service.upper(), ports[_listener(service)], ports[name_of(service, "kafka")])
        for service in SERVICES
    ]


def told(service: str, ports: Mapping[str, int]) -> dict[str, str]:
    """What the processes of a service are told instead of where the servers really are."""
    own = [(target, ports[name_of(source, target)]) for source, target in PAIRS if source == service]
    return {TOLD[target][0]: TOLD[target][1].format(port) for target, port in own}


def gateway_ports(ports: Mapping[str, int]) -> dict[str, int]:
    """Where the gateway finds the APIs."""
    return {
        **ports,
        **{target: ports[name_of(source, target)] for source, target in PAIRS if source == "envoy"},
    }
