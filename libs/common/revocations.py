"""What an access token cannot know: that its session has been ended, or its account closed, since it was signed.

Every API process reads `session.revoked` and `user.deleted` from a token's lifetime ago to the present, and goes
on reading. What is older than a token's life is forgotten: such tokens have expired by themselves.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import ValidationError

from libs.common.bus.connection import connection
from libs.common.bus.settings import RETRY_BACKOFF_MS
from libs.common.errors import Unavailable
from libs.common.events.auth import SessionRevokedV1, UserDeletedV1
from libs.common.logging import logger
from libs.common.settings import CommonSettings

TOPICS: dict[str, type[SessionRevokedV1] | type[UserDeletedV1]] = {
    SessionRevokedV1.topic: SessionRevokedV1,
    UserDeletedV1.topic: UserDeletedV1,
}
MOST_REMEMBERED = 200_000
POLL_MS = 500

log = logger("revocations")


class Revocations:
    """The sessions and accounts that tokens are refused for, in memory."""

    def __init__(self, settings: CommonSettings) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._horizon_s = settings.access_token_ttl_s + 60
        self._ended: OrderedDict[UUID, float] = OrderedDict()
        self._targets: dict[TopicPartition, int] = {}
        self._when_closed: list[Callable[[UUID], None]] = []
        self._caught_up = asyncio.Event()

    def ended(self, user_id: UUID, session_id: UUID) -> bool:
        """Tell whether the account is closed or the session over."""
        return user_id in self._ended or session_id in self._ended

    def on_closed(self, tell: Callable[[UUID], None]) -> None:
        """Name what is told of every account that is closed, as soon as it is heard of."""
        self._when_closed.append(tell)

    def note(self, ended_id: UUID) -> None:
        """Remember a session or an account, and forget what no live token can name any more."""
        self._ended[ended_id] = time.monotonic()
        self._ended.move_to_end(ended_id)
        oldest_kept = time.monotonic() - self._horizon_s
        while self._ended and (
            next(iter(self._ended.values())) < oldest_kept or len(self._ended) > MOST_REMEMBERED
        ):
            self._ended.popitem(last=False)

    async def check(self) -> None:
        """Raise Unavailable until all that was published before this process started has been read."""
        if not self._caught_up.is_set():
            raise Unavailable("still reading which sessions have ended")

    async def follow(self) -> None:
        """Read the topics for as long as the process lives."""
        consumer = AIOKafkaConsumer(
            *TOPICS,
            **await connection(self._bootstrap),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        try:
            await consumer.start()
            await self._rewind(consumer)
            while True:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        self._read(record)
                if not self._caught_up.is_set() and await self._at_end(consumer):
                    self._caught_up.set()
        finally:
            await consumer.stop()

    async def _rewind(self, consumer: AIOKafkaConsumer) -> None:
        """Start a token's lifetime ago; a partition with nothing since then starts at its end."""
        partitions = sorted(consumer.assignment())
        since = int((time.time() - self._horizon_s) * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
        self._targets = await consumer.end_offsets(partitions)
        for partition in partitions:
            place = found.get(partition)
            consumer.seek(partition, place.offset if place else self._targets[partition])

    async def _at_end(self, consumer: AIOKafkaConsumer) -> bool:
        return all([await consumer.position(tp) >= end for tp, end in self._targets.items()])

    def _read(self, record: ConsumerRecord) -> None:
        try:
            event = TOPICS[record.topic].model_validate_json(record.value or b"")
        except ValidationError as error:
            log.warning("revocations.unreadable", topic=record.topic, offset=record.offset, exc_info=error)
            return
        if isinstance(event, SessionRevokedV1):
            self.note(event.session_id)
            return
        self.note(event.user_id)
        for tell in self._when_closed:
            tell(event.user_id)
