"""Dead letters: what a consumer group gave up on, kept as it was, with why and where it came from."""

import time
from collections import deque

from libs.common.bus import metrics
from libs.common.bus.envelope import Record
from libs.common.bus.letters.parking import Parking
from libs.common.bus.letters.rows import State
from libs.common.bus.letters.writing import Fate
from libs.common.logging import logger

WINDOW_S = 60.0

log = logger("bus.dead_letters")


class TooManyDeadLetters(RuntimeError):
    """So much is given up on that the fault is not in the events: the consumer must stop, not drain its topics."""


class DeadLetters:
    """Where one consumer group puts what it gives up on. Args: most_a_minute: then it stops instead."""

    def __init__(self, parking: Parking, group: str, most_a_minute: int) -> None:
        self._parking, self._group, self._most = parking, group, most_a_minute
        self._recent: deque[float] = deque()

    async def put(self, record: Record, code: str, error: str) -> None:
        """Store a record among the dead letters: its bytes in the topic, then its letter in the database.

        A process that dies in between leaves bytes that no letter names; the record comes again, and gets its letter.

        Args:     code: stable reason; error: what happened, with nothing personal in it.
        Raises:   TooManyDeadLetters: the limit is reached; the record is left where it is.
                  SubjectErased: it is about somebody erased, and void.  AlreadyDone: another member had success.
                  KafkaError and the database's: try again.
        """
        if await self._parking.known(record):
            return
        await self._parking.require_not_done(record)
        self._take_room()
        await self._parking.bury(record, Fate(State.OPEN, code, error))
        metrics.DEAD_LETTERS.labels(self._group, record.topic, code).inc()
        log.error(
            "dead_letter",
            group=self._group,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=code,
            reason=error,
        )

    def _take_room(self) -> None:
        """Count before it is stored: many may be on their way at once. A try that fails counts as well."""
        while self._recent and self._recent[0] < time.monotonic() - WINDOW_S:
            self._recent.popleft()
        if len(self._recent) >= self._most:
            raise TooManyDeadLetters(f"{self._group}: {len(self._recent)} in the last minute")
        self._recent.append(time.monotonic())
