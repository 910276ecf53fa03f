"""Whose partitions these are: what a consumer does while and after Kafka takes them away."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from libs.common.bus.envelope import Record
from libs.common.bus.settling import Abandoned
from libs.common.logging import logger

Offsets = Mapping[TopicPartition, int]

log = logger("bus.consumer")


class Ownership:
    """One assignment of partitions, from being given until being taken away.

    Offsets are committed only while it lasts: aiokafka commits under whatever generation it is in, so a late
    commit would move a group's offset in a partition that is another member's by now.
    """

    def __init__(self, consumer: AIOKafkaConsumer, group: str, patience_s: float) -> None:
        self._consumer, self._group, self._patience_s = consumer, group, patience_s
        self._ending = asyncio.Event()
        self._over = False
        self._first_taken: dict[TopicPartition, int] = {}
        self._taken: dict[TopicPartition, int] = {}
        self.settled: dict[TopicPartition, int] = {}
        self.last_taken_at = time.monotonic()
        self.unanswered = False
        """A commit had no end: aiokafka tries for ever what it takes for passing."""

    @property
    def ending(self) -> bool:
        """Tell whether nothing new may be begun."""
        return self._ending.is_set()

    def end_soon(self) -> None:
        """Let what is under way finish, and nothing new begin; who waits for better times gives up."""
        self._ending.set()

    def end(self) -> None:
        """From now on nothing is committed: the partitions are another's."""
        self._ending.set()
        self._over = True

    def taken(self, records: Iterable[Record]) -> None:
        """Take note of where work began, and of how far it has to come."""
        self.last_taken_at = time.monotonic()
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            self._first_taken.setdefault(partition, record.offset)
            self._taken[partition] = record.offset + 1

    @property
    def idle(self) -> bool:
        """Tell whether all that was taken is settled."""
        return all(self.settled.get(partition, -1) >= end for partition, end in self._taken.items())

    def reached(self, partition: TopicPartition) -> int | None:
        """Return up to where a partition is settled, None where nothing of it was taken yet."""
        return self.settled.get(partition, self._first_taken.get(partition))

    async def pause(self, seconds: float) -> None:
        """Sleep. Raises: Abandoned: the partitions are being taken away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        if self.ending:
            raise Abandoned

    async def commit(self, offsets: Offsets) -> None:
        """Commit the offsets of what is settled: per partition the one after the last.

        A commit that fails loses nothing: the next one passes it, or the records come again and are found done.
        """
        if self._over or not offsets:
            return
        self.settled |= offsets
        try:
            async with asyncio.timeout(self._patience_s):
                await self._consumer.commit(dict(offsets))
        except TimeoutError:
            self.unanswered = True
            log.warning("commit.unanswered", group=self._group)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit.refused", group=self._group, exc_info=error)
        except KafkaError as error:
            log.warning("commit.failed", group=self._group, exc_info=error)


def next_offsets(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """Return, per partition, the offset after the last of some records."""
    offsets: dict[TopicPartition, int] = {}
    for record in records:
        offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1
    return offsets
