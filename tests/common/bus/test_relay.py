"""What waits in the outbox and what the stream shows are the same rows: each goes once, in order, few in memory."""

import asyncio
from collections.abc import Iterable
from uuid import uuid4

import pytest

from libs.common.bus import relay as relaying
from libs.common.bus.producer import Message, Producer
from libs.common.bus.relay import Relay
from libs.common.mongo import Row
from libs.common.testing.kafka import records_of
from libs.common.testing.waiting import eventually
from tests.common.bus.harness import NO_SWEEP, Bench

PAGE = 10


class Busy:
    """A relay with a backlog of three pages, during whose first four more are written, and shown by its stream."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._person = bench, uuid4()
        self.producer = Producer(bench.bootstrap)
        self.relay = Relay(bench.mongo, self.producer, NO_SWEEP.model_copy(update={"publish_batch": PAGE}))
        self._publish, self._enqueue = self.producer.publish, self.relay._enqueue
        self.queued: list[int] = []
        self._written = self._shown = 0

    async def write(self, count: int) -> None:
        """Leave numbered events of one key in the outbox."""
        for number in range(self._written, self._written + count):
            await self._bench.publish(self._bench.event(user_id=self._person, number=number))
        self._written += count

    def enqueue(self, rows: list[Row]) -> None:
        """Count what the stream shows."""
        self._shown += len(rows)
        self._enqueue(rows)

    async def publish(self, messages: Iterable[Message]) -> list[Exception | None]:
        """Publish; before the first page, let the others be written."""
        if not self.queued:
            await self.write(4 * PAGE)
            await eventually(self._all_are_shown)
        self.queued.append(len(self.relay._queue))
        return await self._publish(messages)

    async def published(self) -> list[int]:
        """Return the numbers in the topic."""
        found = await records_of(self._bench.bootstrap, self._bench.topic)
        return [self._bench.event.model_validate_json(record.value or b"").number for record in found]

    async def all_are_published(self) -> bool:
        """Tell whether there is nothing that was not published at least once."""
        return bool(self._shown) and len(set(await self.published())) == self._written

    async def _all_are_shown(self) -> bool:
        return self._shown == 4 * PAGE


async def test_what_comes_while_a_backlog_goes_out_is_published_once_in_order_and_not_kept_in_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Busy(bench)
    monkeypatch.setattr(relaying, "REMEMBERED", 2 * PAGE)
    monkeypatch.setattr(relaying, "MOST_QUEUED", PAGE)
    monkeypatch.setattr(busy.relay, "_enqueue", busy.enqueue)
    monkeypatch.setattr(busy.producer, "publish", busy.publish)
    await busy.write(3 * PAGE)
    running = asyncio.create_task(busy.relay.run())
    await eventually(busy.all_are_published)
    await busy.write(1)  # it comes behind whatever is published again
    await eventually(busy.all_are_published)
    assert await busy.published() == list(range(7 * PAGE + 1))
    assert max(busy.queued) <= PAGE
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await busy.producer.close()
