"""Which sessions have ended is read for as long as a process lives, also past a client that does not get on."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer

from libs.common import revocations
from libs.common.bus.topics import ensure_topics, event_topic
from libs.common.events.auth import SessionRevokedV1
from libs.common.revocations import TOPICS, Revocations
from libs.common.settings import CommonSettings
from libs.common.tasks import Background
from libs.common.testing.kafka import raw_producer
from libs.common.testing.metrics import metric
from libs.common.testing.waiting import eventually

FOLLOW = "Revocations.follow"


async def end(settings: CommonSettings, session_id: UUID) -> None:
    """Publish that a session has ended."""
    event = SessionRevokedV1(user_id=uuid4(), session_id=session_id, reason="signed-out")
    async with raw_producer(settings.kafka_bootstrap) as producer:
        await producer.send_and_wait(event.topic, event.model_dump_json().encode())


class Follower:
    """A process that follows, and the clients that it has had."""

    def __init__(self, settings: CommonSettings, clients: list[AIOKafkaConsumer]) -> None:
        self.settings, self.clients, self.looks = settings, clients, 0
        self.revocations = Revocations(settings, patience_s=1.5)

    async def hears(self, session_id: UUID) -> bool:
        """End a session; tell whether it is heard of."""
        await end(self.settings, session_id)

        async def heard() -> bool:
            return self.revocations.ended(uuid4(), session_id)

        return await eventually(heard)


@pytest.fixture
async def follower(
    common_settings: CommonSettings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Follower]:
    clients: list[AIOKafkaConsumer] = []

    class Client(AIOKafkaConsumer):  # type: ignore[misc]
        def __init__(self, *topics: str, **options: object) -> None:
            super().__init__(*topics, **options)
            clients.append(self)

    monkeypatch.setattr(revocations, "AIOKafkaConsumer", Client)
    await ensure_topics(common_settings.kafka_bootstrap, [event_topic(name) for name in TOPICS])
    follower = Follower(common_settings, clients)
    background = Background([follower.revocations.follow])
    background.start()
    yield follower
    await background.stop()


async def test_a_client_that_does_not_get_on_is_replaced(follower: Follower) -> None:
    assert await follower.hears(uuid4())
    had, restarts = len(follower.clients), metric("pixera_background_restarts_total", task=FOLLOW)
    client = follower.clients[-1]  # topics that were just made may have taken more than one
    client._fetcher._fetch_task.cancel()  # it ends without a word, and `getmany` returns nothing for ever
    await asyncio.sleep(2 * revocations.POLL_MS / 1_000)  # so does what it had asked for
    assert await follower.hears(uuid4())
    assert len(follower.clients) == had + 1
    assert metric("pixera_background_restarts_total", task=FOLLOW) == restarts + 1


async def test_a_client_that_has_nothing_to_hand_over_is_left_alone(follower: Follower) -> None:
    assert await follower.hears(uuid4())
    quiet_since = len(follower.clients)

    async def looked_often() -> bool:
        return follower.looks >= 8

    is_well = follower.revocations._is_well

    async def counted(client: AIOKafkaConsumer) -> bool:
        follower.looks += 1
        return await is_well(client)

    follower.revocations._is_well = counted  # type: ignore[assignment, method-assign]
    await eventually(looked_often)
    assert len(follower.clients) == quiet_since


async def test_what_is_published_while_a_reader_looks_where_to_begin_is_read(
    common_settings: CommonSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = uuid4()

    class Client(AIOKafkaConsumer):  # type: ignore[misc]
        async def offsets_for_times(self, asked: object) -> object:
            found = await super().offsets_for_times(asked)
            await end(common_settings, session_id)
            return found

    monkeypatch.setattr(revocations, "AIOKafkaConsumer", Client)
    await ensure_topics(common_settings.kafka_bootstrap, [event_topic(name) for name in TOPICS])
    # It begins 5 s ago: as a rule, nothing is there since then.
    reader = Revocations(common_settings.model_copy(update={"access_token_ttl_s": 5 - 60}))
    background = Background([reader.follow])
    background.start()

    async def heard() -> bool:
        return reader.ended(uuid4(), session_id)

    try:
        assert await eventually(heard)
    finally:
        await background.stop()
