"""Topics are made as they are declared, and what the broker refuses is said."""

from datetime import timedelta
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from libs.common.bus.topics import (
    Topic,
    TopicsNotMade,
    dead_letter_topic,
    ensure_topics,
    event_topic,
    event_topics,
    kept,
    leaderless,
)
from libs.common.events import event_classes
from libs.common.settings import CommonSettings


async def described(bootstrap: str, name: str) -> tuple[int, dict[str, str]]:
    """Return how many partitions a topic has, and its configuration."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        (topic,) = await client.describe_topics([name])
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        entries = answer.resources[0][4]
        return len(topic["partitions"]), {entry[0]: entry[1] for entry in entries}
    finally:
        await client.close()


async def test_topics_are_made_once_as_declared(common_settings: CommonSettings) -> None:
    letters = dead_letter_topic(f"t{uuid4().hex[:8]}.group")
    for _ in range(2):
        await ensure_topics(common_settings.kafka_bootstrap, [letters])
    partitions, config = await described(common_settings.kafka_bootstrap, letters.name)
    assert partitions == 1
    assert config["retention.ms"] == str(30 * 24 * 3_600_000)
    assert config["segment.ms"] == str(24 * 3_600_000)
    assert config["cleanup.policy"] == "delete"


async def test_an_existing_topic_is_brought_to_what_is_declared(common_settings: CommonSettings) -> None:
    bootstrap, name = common_settings.kafka_bootstrap, f"t{uuid4().hex[:8]}"
    await ensure_topics(bootstrap, [Topic(name)])
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        operators = Topic(name).config | {"max.message.bytes": "2000000"}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, operators)])
    finally:
        await client.close()
    await ensure_topics(bootstrap, [Topic(name, retention=timedelta(days=400))])
    _, config = await described(bootstrap, name)
    assert config["retention.ms"] == str(400 * 24 * 3_600_000)
    assert config["max.message.bytes"] == "2000000", "what an operator set beside it stays"


def test_histories_are_kept_for_longer_and_say_why() -> None:
    assert event_topic("credits.granted").retention > event_topic("user.registered").retention
    assert all(kept(topic.name).reason for topic in event_topics())


def test_a_segment_is_closed_in_time_for_its_records_to_go() -> None:
    assert Topic("short", retention=timedelta(hours=1)).config["segment.ms"] == str(3_600_000)


async def test_a_topic_that_nobody_leads_is_waited_for(common_settings: CommonSettings) -> None:
    led, unknown = f"t{uuid4().hex[:8]}", f"t{uuid4().hex[:8]}"
    await ensure_topics(common_settings.kafka_bootstrap, [Topic(led)])
    client = AIOKafkaAdminClient(bootstrap_servers=common_settings.kafka_bootstrap)
    await client.start()
    try:
        assert await leaderless(client, {led, unknown}) == {unknown}
    finally:
        await client.close()


async def test_refusals_are_raised(common_settings: CommonSettings) -> None:
    with pytest.raises(TopicsNotMade, match="not/allowed: InvalidTopic"):
        await ensure_topics(common_settings.kafka_bootstrap, [Topic("not/allowed")])
    with pytest.raises(TopicsNotMade, match="InvalidReplicationFactor"):
        await ensure_topics(common_settings.kafka_bootstrap, [Topic(f"t{uuid4().hex[:8]}")], replication=7)


def test_every_event_has_a_topic() -> None:
    assert {topic.name for topic in event_topics()} == {event.topic for event in event_classes()}
    assert event_topic("generation.queued").partitions > event_topic("user.deleted").partitions
