"""The topics of the platform: how many partitions each has, and how long it keeps its records.

`python -m libs.common.bus.topics` makes those that are missing on `PIXERA_KAFKA_BOOTSTRAP`.
"""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from libs.common.events import event_classes

PARTITIONS = 6
RETENTION = timedelta(days=30)
DEAD_LETTER_RETENTION = timedelta(days=30)
DEAD_LETTER_SUFFIX = ".dlq"

LOOK_EVERY_S = 0.02

MORE_PARTITIONS = {"generation.queued": 12}
"""Where more workers than PARTITIONS are to share the load."""

OWN_RETENTION = {"session.revoked": timedelta(days=1)}
"""Facts that are worth nothing long before RETENTION is over."""


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
            "retention.ms": str(int(self.retention.total_seconds() * 1000)),
            "message.timestamp.type": "CreateTime",
        }


class TopicsNotMade(RuntimeError):
    """The broker refused to make topics."""


def event_topic(name: str) -> Topic:
    """Return the topic that events of this name travel on."""
    return Topic(name, MORE_PARTITIONS.get(name, PARTITIONS), OWN_RETENTION.get(name, RETENTION))


def dead_letter_topic(group: str) -> Topic:
    """Return the topic that takes what a consumer group gave up on."""
    return Topic(group + DEAD_LETTER_SUFFIX, 1, DEAD_LETTER_RETENTION)


def event_topics() -> tuple[Topic, ...]:
    """Return the topic of every declared event."""
    return tuple(event_topic(name) for name in sorted({event.topic for event in event_classes()}))


async def ensure_topics(
    bootstrap: str, topics: Iterable[Topic] | None = None, *, replication: int | None = None
) -> None:
    """Make the topics that are missing; by default those of all events.

    Args:     replication: copies of each, the broker's default where it is not given.
    Raises:   TopicsNotMade: naming each topic and the broker's reason.
    """
    wanted = {topic.name: topic for topic in (event_topics() if topics is None else topics)}
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        if missing := wanted.keys() - set(await client.list_topics()):
            await _create(client, [wanted[name] for name in sorted(missing)], replication)
        # A broker may answer before it has heard of what the controller made.
        while wanted.keys() - set(await client.list_topics()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(LOOK_EVERY_S)
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


async def _default_replication(client: AIOKafkaAdminClient) -> int:
    """Return three copies where there are three brokers, else as many as there are."""
    return min(3, len((await client.describe_cluster())["brokers"]))


if __name__ == "__main__":
    asyncio.run(ensure_topics(os.environ["PIXERA_KAFKA_BOOTSTRAP"]))
