"""Whether a consumer's client of Kafka still gets on: one whose tasks died or hang looks just as one without work."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from libs.common.bus.lag import LagWatch
from libs.common.bus.ownership import Ownership


class ClientStalled(Exception):
    """There is work, whose broker and worker would get on, and the client between them does not."""


class ClientWatch:
    """Looks at one client now and then (ADR 0048).

    It is well where the broker answers it and it has handed over what there is. A worker that takes its time is no
    matter of the client: `LagWatch` watches that.
    """

    def __init__(self, lag: LagWatch, patience_s: float) -> None:
        self._lag, self._patience_s = lag, patience_s
        self._well_at = time.monotonic()

    async def look(self, consumer: AIOKafkaConsumer, ownership: Ownership) -> bool:
        """Measure the lag; return whether the client is to be replaced."""
        if await self._is_well(consumer, ownership):
            self._well_at = time.monotonic()
        well_at = max(self._well_at, ownership.last_taken_at)
        return ownership.unanswered or time.monotonic() - well_at > self._patience_s

    async def _is_well(self, consumer: AIOKafkaConsumer, ownership: Ownership) -> bool:
        try:
            async with asyncio.timeout(self._patience_s):
                behind = await self._lag.measure(consumer, ownership)
        except (KafkaError, TimeoutError):
            return False
        return not ownership.ending and (behind == 0 or not ownership.idle)
