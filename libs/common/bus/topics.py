"""The topics of the platform: how many partitions each has, and how long it keeps its records.

`python -m libs.common.bus.topics` makes those that are missing on `PIXERA_KAFKA_BOOTSTRAP`.
"""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from libs.common.bus.connection import connection
from libs.common.events import event_classes

PARTITIONS = 6
RETENTION = timedelta(days=30)
DEAD_LETTER_RETENTION = timedelta(days=30)
DEAD_LETTER_SUFFIX = ".dlq"

LONGEST_SEGMENT = timedelta(days=1)
"""How far beyond its topic's retention a record may stay."""

SET_ON_THE_TOPIC = 1
"""Where a configuration comes from. Source: Kafka protocol, DescribeConfigs, DYNAMIC_TOPIC_CONFIG."""

LOOK_EVERY_S = 0.02
LEADERS_S = 30.0
"""How long a broker is given to lead what it was told to make; a fresh one took seconds."""

MORE_PARTITIONS = {"generation.queued": 12}
"""Where more workers than PARTITIONS are to share the load."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long a topic keeps its records, and why so long."""

    period: timedelta
    reason: str


ORDINARY = Kept(RETENTION, "a consumer may be away for so long, and an operator may look so far back")
OF_BALANCES = Kept(
    timedelta(days=400), "balances are rebuilt from it, and a financial year is explained by it"
)
OF_GALLERY = Kept(timedelta(days=400), "the gallery's listing is rebuilt from it")
OWN_RETENTION = {
    "session.revoked": Kept(timedelta(days=1), "a session's tokens have expired long before"),
    "account.opened": OF_BALANCES,
    "credits.granted": OF_BALANCES,
    "credits.reserved": OF_BALANCES,
    "credits.captured": OF_BALANCES,
    "credits.released": OF_BALANCES,
    "credits.refunded": OF_BALANCES,
    "credits.reclaimed": OF_BALANCES,
    "image.uploaded": OF_GALLERY,
    "image.ready": OF_GALLERY,
    "image.captioned": OF_GALLERY,
    "image.deleted": OF_GALLERY,
}
"""Topics that keep their records for another time than most (ADR 0023)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is to be made."""

    name: str
    partitions: int = PARTITIONS
    retention: timedelta = RETENTION

    @property
    def config(self) -> dict[str, str]:
        """Return the broker's configuration of the topic."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": _milliseconds(self.retention),
            # Only whole segments are deleted, and a quiet one would stay open for a week whatever it holds.
            "segment.ms": _milliseconds(min(self.retention, LONGEST_SEGMENT)),
            # A relay's clock may be wrong: it would hide what lies behind its record, or have it kept for longer.
            "message.timestamp.type": "LogAppendTime",
        }


class TopicsNotMade(RuntimeError):
    """The broker refused to make topics, or leads them not in time."""


def event_topic(name: str) -> Topic:
    """Return the topic that events of this name travel on."""
    return Topic(name, MORE_PARTITIONS.get(name, PARTITIONS), kept(name).period)


def kept(name: str) -> Kept:
    """Return how long events of this name are kept, and why."""
    return OWN_RETENTION.get(name, ORDINARY)


def dead_letter_topic(group: str) -> Topic:
    """Return the topic that takes what a consumer group gave up on."""
    return Topic(group + DEAD_LETTER_SUFFIX, 1, DEAD_LETTER_RETENTION)


def event_topics() -> tuple[Topic, ...]:
    """Return the topic of every declared event."""
    return tuple(event_topic(name) for name in sorted({event.topic for event in event_classes()}))


async def ensure_topics(
    bootstrap: str, topics: Iterable[Topic] | None = None, *, replication: int | None = None
) -> None:
    """Make the topics that are missing, by default those of all events; the others are configured as declared.

    Args:     replication: copies of each, the broker's default where it is not given.
    Raises:   TopicsNotMade: naming each topic and the broker's reason.
    Effects:  a topic that keeps its records too long, or not long enough, is brought to what is declared.
    """
    wanted = {topic.name: topic for topic in (event_topics() if topics is None else topics)}
    client = AIOKafkaAdminClient(**await connection(bootstrap))
    try:
        await client.start()
        missing = wanted.keys() - set(await client.list_topics())
        if missing:
            await _create(client, [wanted[name] for name in sorted(missing)], replication)
            await _led(client, missing)
        await _configure(client, [topic for name, topic in sorted(wanted.items()) if name not in missing])
    finally:
        await client.close()


async def _create(client: AIOKafkaAdminClient, topics: list[Topic], replication: int | None) -> None:
    copies = replication or await _default_replication(client)
    answer = await client.create_topics(
        [NewTopic(topic.name, topic.partitions, copies, topic_configs=topic.config) for topic in topics]
    )
    # The broker answers for each topic; aiokafka raises for none of them (ag2ai/faststream#3107).
    errors = {name: for_code(code) for name, code, *_ in answer.topic_errors if code}
    refused = {name: error for name, error in errors.items() if error is not TopicAlreadyExistsError}
    if refused:
        raise TopicsNotMade("; ".join(f"{name}: {error.__name__}" for name, error in sorted(refused.items())))


async def _configure(client: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    """Bring existing topics to their configuration; what else an operator has set on them stays as it is."""
    if not topics:
        return
    answers = await client.describe_configs([_resource(topic.name) for topic in topics])
    entries = {name: found for answer in answers for *_, name, found in answer.resources}
    changes = []
    for topic in topics:
        own = {
            name: value for name, value, _, source, *_ in entries[topic.name] if source == SET_ON_THE_TOPIC
        }
        if own | topic.config != own:
            changes.append(_resource(topic.name, own | topic.config))
    if changes:
        _raise_refusals(await client.alter_configs(changes))


def _raise_refusals(answers: Iterable[Any]) -> None:
    """Raises: TopicsNotMade, where the broker refused to configure a topic."""
    refused = {name: for_code(code) for answer in answers for code, _, _, name in answer.resources if code}
    if refused:
        raise TopicsNotMade("; ".join(f"{name}: {error.__name__}" for name, error in sorted(refused.items())))


def _resource(topic: str, config: dict[str, str] | None = None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, topic, config)


async def _led(client: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until every partition of new topics has a leader: a broker answers before it has heard of them."""
    waiting = names
    try:
        async with asyncio.timeout(LEADERS_S):
            while waiting := await leaderless(client, waiting):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise TopicsNotMade(f"no leader after {LEADERS_S:.0f} s: {', '.join(sorted(waiting))}") from error


async def leaderless(client: AIOKafkaAdminClient, names: set[str]) -> set[str]:
    """Return the topics that are not known to the broker yet, or have a partition without a leader."""
    known = await client.describe_topics(sorted(names))
    led = {topic["topic"] for topic in known if not topic["error_code"] and _all_led(topic["partitions"])}
    return names - led


def _all_led(partitions: list[dict[str, int]]) -> bool:
    return bool(partitions) and all(not each["error_code"] and each["leader"] >= 0 for each in partitions)


def _milliseconds(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))


async def _default_replication(client: AIOKafkaAdminClient) -> int:
    """Return three copies where there are three brokers, else as many as there are."""
    return min(3, len((await client.describe_cluster())["brokers"]))


if __name__ == "__main__":
    asyncio.run(ensure_topics(os.environ["PIXERA_KAFKA_BOOTSTRAP"]))
