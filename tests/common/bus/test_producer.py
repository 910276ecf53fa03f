"""The producer keeps the order in which it is given messages, whatever becomes of some."""

from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from libs.common.bus.producer import Message, Producer
from libs.common.testing.kafka import records_of
from tests.common.bus.harness import Bench


def message(bench: Bench, value: bytes) -> Message:
    return Message(bench.topic, b"one key", value, [])


async def stored(bench: Bench) -> list[bytes | None]:
    return [record.value for record in await records_of(bench.bootstrap, bench.topic)]


async def test_what_comes_behind_one_that_found_no_room_does_not_overtake_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while Kafka stands still for long: the client's buffer is full, and has room again a moment later."""
    producer = Producer(bench.bootstrap)
    client = await producer._started()
    send, refused = client.send, [b"1"]

    async def full_once(topic: str, value: bytes, **options: Any) -> Any:
        if value in refused:
            refused.remove(value)
            raise KafkaTimeoutError
        return await send(topic, value, **options)

    monkeypatch.setattr(client, "send", full_once)
    messages = [message(bench, b"%d" % number) for number in range(4)]
    answers = await producer.publish(messages)
    assert [type(answer) for answer in answers] == [type(None), *[KafkaTimeoutError] * 3]
    assert await stored(bench) == [b"0"]
    assert await producer.publish(messages[1:]) == [None] * 3
    assert await stored(bench) == [b"0", b"1", b"2", b"3"]
    await producer.close()


async def test_one_that_is_too_large_holds_up_nothing(bench: Bench) -> None:
    producer = Producer(bench.bootstrap)
    values = [b"0", b"x" * 2_000_000, b"2"]
    answers = await producer.publish([message(bench, value) for value in values])
    assert [type(answer) for answer in answers] == [type(None), MessageSizeTooLargeError, type(None)]
    assert await stored(bench) == [b"0", b"2"]
    await producer.close()
