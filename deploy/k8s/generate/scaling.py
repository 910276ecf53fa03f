"""How many workers there are, by how far their groups are behind: one ScaledObject for each Deployment of workers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.k8s.generate import access
from deploy.k8s.generate.objects import HEAD, Json, made, text
from libs.common.bus.consumes import Subscription
from libs.common.bus.topics import PARTITIONS, event_topic

API = "keda.sh/v1alpha1"
FOLDER = Path("components/keda/generated")
BROKERS = "pixera-kafka-bootstrap.pixera.svc:9093"
RENDERING = "generation.render"

IN_TRANSACTIONS = 2_000
"""Events behind that one worker more is for, where a batch of 500 is one transaction: a worker settles thousands a
second, so this is a second of work; less would start pods for what is over before they are ready."""
ONE_BY_ONE = 100
"""The same where each event is I/O of its own (an object, an e-mail): some tens a second, so some seconds."""
RENDERS = 2
"""The same for images: a renderer draws one at a time, for about a second each and up to minutes."""


@dataclass(frozen=True)
class Workers:
    """A Deployment of workers. Args: least: 0 where nothing has to be done but by lag; why: for who reads it."""

    name: str
    groups: tuple[str, ...]
    least: int
    most: int
    rest_s: int
    why: str


def workers() -> list[Workers]:
    """Return every Deployment of workers with the groups that its pods are members of."""
    return [*(_of_service(each.service, each.groups) for each in access.everyone()), _renderers()]


def files() -> Iterator[tuple[Path, str]]:
    """Yield what scales."""
    parts = [f"# {each.why}\n" + text([_scaled(each)]).removeprefix(HEAD) for each in workers()]
    yield FOLDER / "scaledobjects.yaml", HEAD + "---\n".join(parts)


def _of_service(service: str, groups: Iterable[str]) -> Workers:
    return Workers(
        name=f"{service}-worker",
        groups=tuple(name for name in groups if name != RENDERING),
        least=2,
        most=PARTITIONS,
        rest_s=300,
        why="Two at least: one publishes what is in the outbox, whether events come or not, and one takes over.\n"
        "# No more than a topic has partitions: the others would have nothing to read.",
    )


def _renderers() -> Workers:
    return Workers(
        name="generation-renderer",
        groups=(RENDERING,),
        least=0,
        most=max(event_topic(topic).partitions for each in _of(RENDERING) for topic in each.topics),
        rest_s=120,
        why="None while nobody waits for an image; the first job wakes one. Nothing but lag asks for them, and they\n"
        "# are most of what generation costs.",
    )


def _scaled(each: Workers) -> Json:
    spec = {
        "scaleTargetRef": {"name": each.name},
        "pollingInterval": 10,
        "cooldownPeriod": each.rest_s,
        "minReplicaCount": each.least,
        "maxReplicaCount": each.most,
        # Where Kafka does not say: as many as there are, two at least.
        "fallback": {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(each)}},
        "triggers": [_trigger(group, topic) for group in each.groups for topic in _topics(group)],
    }
    return made("ScaledObject", API, each.name, spec)


def _behavior(each: Workers) -> Json:
    """Up at once and by doubling; down one by one, because every step makes a group share its partitions anew."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 30}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": each.rest_s,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    }


def _trigger(group: str, topic: str) -> Json:
    """How far a group is behind on one topic. Named, because a group that never committed is not woken without.

    Source:   keda-docs 2.21, scalers/apache-kafka.md.
    """
    return {
        "type": "kafka",
        "name": f"{group}-{topic}".replace(".", "-"),
        "metadata": {
            "bootstrapServers": BROKERS,
            "consumerGroup": group,
            "topic": topic,
            "lagThreshold": str(_threshold(group)),
            "offsetResetPolicy": "earliest",  # as the consumers have it
            "limitToPartitionsWithLag": "true",  # one person's jobs are one partition's, and one worker's
            "tls": "enable",
        },
        "authenticationRef": {"name": "kafka"},
    }


def _threshold(group: str) -> int:
    if group == RENDERING:
        return RENDERS
    return ONE_BY_ONE if any(each.io for each in _of(group)) else IN_TRANSACTIONS


def _topics(group: str) -> list[str]:
    return sorted({topic for each in _of(group) for topic in each.topics})


def _of(group: str) -> list[Subscription]:
    return [each for each in access.subscriptions() if each.group == group]
