"""How far a consumer is behind, and whether it is getting on at all."""

import time
from collections import Counter

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.common.bus import metrics
from libs.common.bus.ownership import Ownership


class LagWatch:
    """Compares what is published with what is settled.

    A consumer is stuck when there is something to do and nothing has been settled for long: an answer to a ping
    would not show it (aiokafka#1154). So is one that begins anew for long, again and again, before anybody can look.
    """

    def __init__(self, group: str, stuck_after_s: float) -> None:
        self._group, self._stuck_after_s = group, stuck_after_s
        self._settled: dict[TopicPartition, int] = {}
        self._shown: set[str] = set()
        self._behind_since: float | None = None
        self._failing_since: float | None = None

    @property
    def stuck(self) -> bool:
        """Tell whether there has been work for long, and no progress; or trouble, and no look that found it over."""
        begun = [since for since in (self._behind_since, self._failing_since) if since is not None]
        return bool(begun) and time.monotonic() - min(begun) > self._stuck_after_s

    def failed(self) -> None:
        """Take note that consuming broke off for what does not pass by itself."""
        self._failing_since = self._failing_since or time.monotonic()

    async def measure(self, consumer: AIOKafkaConsumer, ownership: Ownership) -> int:
        """Ask the broker for the ends of our partitions, and compare. Raises: KafkaError.

        Returns:  how many records are published and not settled.
        """
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions) if partitions else {}
        lag: Counter[str] = Counter({partition.topic: 0 for partition in partitions})
        for partition, end in ends.items():
            reached = ownership.reached(partition)
            if reached is None:  # nothing taken: it stands where the group left off
                reached = await consumer.position(partition)
            lag[partition.topic] += max(0, end - reached)
        self._show(lag)
        self._judge(lag.total(), ownership.settled)
        return lag.total()

    def _show(self, lag: Counter[str]) -> None:
        for topic in self._shown - lag.keys():  # another member's by now, whose figure it is to show
            metrics.LAG.remove(self._group, topic)
        self._shown = set(lag)
        for topic, behind in lag.items():
            metrics.LAG.labels(self._group, topic).set(behind)

    def _judge(self, behind: int, settled: dict[TopicPartition, int]) -> None:
        progressed = settled != self._settled
        self._settled = dict(settled)
        if not behind:
            self._behind_since = None
        elif progressed or self._behind_since is None:
            self._behind_since = time.monotonic()
        if not behind or (progressed and settled):  # a new client's has settled nothing, which is no progress
            self._failing_since = None
