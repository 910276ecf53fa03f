"""How far a consumer is behind, and whether it is getting on at all."""

import time
from collections import Counter

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.common.bus import metrics
from libs.common.bus.ownership import Ownership


class LagWatch:
    """Compares what is published with what is settled.

    A consumer is stuck when there is something to do and nothing has been settled for long: an answer to a ping
    would not show it (aiokafka#1154).
    """

    def __init__(self, group: str, stuck_after_s: float) -> None:
        self._group, self._stuck_after_s = group, stuck_after_s
        self._settled: dict[TopicPartition, int] = {}
        self._behind_since: float | None = None

    @property
    def stuck(self) -> bool:
        """Tell whether there has been work for long, and no progress."""
        return self._behind_since is not None and time.monotonic() - self._behind_since > self._stuck_after_s

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
        for topic, behind in lag.items():
            metrics.LAG.labels(self._group, topic).set(behind)
        self._judge(lag.total(), ownership.settled)
        return lag.total()

    def _judge(self, behind: int, settled: dict[TopicPartition, int]) -> None:
        progressed = settled != self._settled
        self._settled = dict(settled)
        if not behind:
            self._behind_since = None
        elif progressed or self._behind_since is None:
            self._behind_since = time.monotonic()
