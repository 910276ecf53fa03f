"""Which records are under way, and up to where all is settled, per partition."""

from collections import deque
from dataclasses import dataclass

from aiokafka import TopicPartition

from libs.common.bus.envelope import Record


@dataclass(slots=True)
class Place:
    """One record's place in its partition."""

    partition: TopicPartition
    offset: int
    settled: bool = False


class Window:
    """The records that were taken and whose offsets cannot be committed yet.

    They settle in any order; a partition's offset moves only over an unbroken row of settled ones.
    """

    def __init__(self) -> None:
        self._places: dict[TopicPartition, deque[Place]] = {}
        self.size = 0

    def enter(self, record: Record) -> Place:
        """Take note of a record, in the order of its partition."""
        place = Place(TopicPartition(record.topic, record.partition), record.offset)
        self._places.setdefault(place.partition, deque()).append(place)
        self.size += 1
        return place

    def pop_settled(self) -> dict[TopicPartition, int]:
        """Forget the settled beginning of each partition; return the offset after it."""
        offsets = {}
        for partition, places in self._places.items():
            while places and places[0].settled:
                offsets[partition] = places.popleft().offset + 1
                self.size -= 1
        return offsets
