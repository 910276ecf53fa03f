"""Dead letters: what a consumer group gave up on, kept as it was, with why and where it came from."""

import time
from collections import deque

from aiokafka.errors import MessageSizeTooLargeError

from libs.common.bus import metrics
from libs.common.bus.envelope import Headers, Record
from libs.common.bus.producer import Message, Producer
from libs.common.bus.topics import dead_letter_topic
from libs.common.clock import now
from libs.common.logging import logger

WINDOW_S = 60.0
PREFIX = "dlq_"

log = logger("bus.dead_letters")


class TooManyDeadLetters(RuntimeError):
    """So much is given up on that the fault is not in the events: the consumer must stop, not drain its topics."""


class DeadLetters:
    """Where one consumer group puts what it gives up on. Args: most_a_minute: then it stops instead."""

    def __init__(self, producer: Producer, group: str, most_a_minute: int) -> None:
        self._producer, self._group, self._most = producer, group, most_a_minute
        self._topic = dead_letter_topic(group).name
        self._recent: deque[float] = deque()

    async def put(self, record: Record, code: str, error: str) -> None:
        """Store a record among the dead letters, acknowledged by the broker.

        Args:     code: stable reason; error: what happened, with nothing personal in it.
        Raises:   TooManyDeadLetters: the limit is reached; the record is left where it is.
                  KafkaError: it is not known to be stored; to be tried again.
        """
        self._take_room()
        message = Message(self._topic, record.key, record.value, _headers(record, code, error))
        (failure,) = await self._producer.publish([message])
        if isinstance(
            failure, MessageSizeTooLargeError
        ):  # its origin still has it, at the offset in the headers
            bare = Message(self._topic, record.key, None, message.headers)
            (failure,) = await self._producer.publish([bare])
        if failure is not None:
            raise failure
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


def _headers(record: Record, code: str, error: str) -> Headers:
    """Return the original headers, byte for byte, and what became of the record."""
    original = [(name, value or b"") for name, value in record.headers if not name.startswith(PREFIX)]
    found = {
        "error_code": code,
        "error": error,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "at": now().isoformat(),
    }
    return original + [(PREFIX + name, value.encode()) for name, value in found.items()]
