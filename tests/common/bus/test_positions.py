"""Where a group goes on, whatever its coordinator answers first."""

from typing import Any
from uuid import uuid4

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupLoadInProgressError, NotCoordinatorForGroupError
from aiokafka.protocol.commit import OffsetFetchRequest

from libs.common.bus.inbox import InboxRow
from libs.common.testing.kafka import caught_up
from tests.common.bus.harness import Bench


@pytest.mark.parametrize("error", [GroupLoadInProgressError, NotCoordinatorForGroupError])
async def test_a_coordinator_that_fails_just_then_has_no_group_begin_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    """Its inbox has forgotten what it did, as after thirty days: nothing else would keep it from doing all again."""
    subscription = bench.subscription(bench.note)
    before = bench.bus(subscription)
    await before.start()
    await bench.publish_numbers(5)
    await bench.effects_reach(5)
    await caught_up(bench.bootstrap, bench.group, bench.topic)
    await before.stop()
    await bench.mongo.collection(InboxRow).delete_many({})
    send, refused = AIOKafkaClient.send, list[Any]()

    async def failing(client: AIOKafkaClient, node_id: Any, request: Any, **options: Any) -> Any:
        answer = await send(client, node_id, request, **options)
        if isinstance(request, OffsetFetchRequest) and not refused:
            refused.append(request)
            answer.topics, answer.error_code = [], error.errno
        return answer

    monkeypatch.setattr(AIOKafkaClient, "send", failing)
    await bench.bus(subscription).start()
    await bench.publish(bench.event(user_id=uuid4(), number=5))
    await bench.effects_reach(6)
    await caught_up(bench.bootstrap, bench.group, bench.topic)
    assert refused
    assert sorted(await bench.effects()) == [0, 1, 2, 3, 4, 5]
