"""Kafka's topics and users as Strimzi keeps them: topics as the code declares them, access as the code needs it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from deploy.k8s.generate import access
from deploy.k8s.generate.access import Access
from deploy.k8s.generate.objects import Json, made, text
from libs.common.bus.topics import Topic, dead_letter_topic, event_topics

API = "kafka.strimzi.io/v1"
CLUSTER = {"strimzi.io/cluster": "pixera"}
FOLDER = Path("components/strimzi/generated")
KEPT = {"argocd.argoproj.io/sync-options": "Prune=false"}
"""A topic whose event was taken out of the code still has records: an operator deletes it, and no release."""
COPIES = 3
IN_SYNC = "2"
"""How many of the copies have a record before it counts as written: one broker may be away."""
SCALER = "keda"
"""Who may look how far groups are behind, and nothing else."""


def files() -> Iterator[tuple[Path, str]]:
    """Yield the topics and the users."""
    yield FOLDER / "topics.yaml", text(_topic(topic) for topic in topics())
    yield FOLDER / "users.yaml", text([*(_user(each) for each in access.everyone()), _scaler()])


def topics() -> Iterator[Topic]:
    """Yield the topic of every event and every group's dead letters."""
    yield from event_topics()
    yield from (dead_letter_topic(group) for each in access.everyone() for group in each.groups)


def _topic(topic: Topic) -> Json:
    config = topic.config | {"min.insync.replicas": IN_SYNC}
    spec = {"partitions": topic.partitions, "replicas": COPIES, "config": config}
    return made("KafkaTopic", API, topic.name, spec, labels=CLUSTER, annotations=KEPT)


def _user(each: Access) -> Json:
    """A service: its certificate is in the Secret of its name."""
    writes, reads = each.writes | each.letters, each.reads | each.letters
    rules = [
        _rule("topic", name, _operations(name in writes, name in reads)) for name in sorted(writes | reads)
    ]
    rules += [_rule("group", name, ["Describe", "Read"]) for name in each.groups]
    if each.service == access.AUDITOR:  # a backup notes how far every service's groups have come
        others = [name for name in access.SERVICES if name != each.service]
        rules += [_rule("group", f"{name}.", ["Describe"], patternType="prefix") for name in others]
    return _with_certificate(each.service, rules)


def _operations(writes: bool, reads: bool) -> list[str]:
    """What a topic is used for; a process looks up whether it is configured as declared."""
    return ["Describe", "DescribeConfigs", *(["Read"] if reads else []), *(["Write"] if writes else [])]


def _scaler() -> Json:
    consumed = sorted({topic for each in access.subscriptions() for topic in each.topics})
    groups = sorted(group for each in access.everyone() for group in each.groups)
    rules = [_rule("topic", name, ["Describe"]) for name in consumed]
    return _with_certificate(SCALER, [*rules, *(_rule("group", name, ["Describe"]) for name in groups)])


def _rule(kind: str, name: str, operations: Iterable[str], **matched: str) -> Json:
    return {"resource": {"type": kind, "name": name, **matched}, "operations": list(operations)}


def _with_certificate(name: str, rules: list[Json]) -> Json:
    spec = {"authentication": {"type": "tls"}, "authorization": {"type": "simple", "acls": rules}}
    return made("KafkaUser", API, name, spec, labels=CLUSTER)
