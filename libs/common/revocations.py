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
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from libs.common.bus.connection import connection, stop_client
from libs.common.bus.settings import RETRY_BACKOFF_MS, BusSettings
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
PATIENCE_S = BusSettings.model_fields["client_patience_s"].default
"""As long as a consumer's client has to get on: what is not read here lets an ended session go on."""

log = logger("revocations")


class ReaderStalled(Exception):
    """The client does not hand over what there is, or nobody answers it: a new one begins a token's life ago."""


class Revocations:
    """The sessions and accounts that tokens are refused for, in memory."""

    def __init__(self, settings: CommonSettings, patience_s: float = PATIENCE_S) -> None:
        self._bootstrap, self._patience_s = settings.kafka_bootstrap, patience_s
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
            async with asyncio.timeout(self._patience_s):
                await consumer.start()
                await self._rewind(consumer)
            await self._read_on(consumer)
        finally:
            async with asyncio.timeout(self._patience_s):
                await stop_client(consumer)

    async def _read_on(self, consumer: AIOKafkaConsumer) -> None:
        """Read what comes. Raises: ReaderStalled: it does not come, though it is there (ADR 0048)."""
        well_at = looked_at = time.monotonic()
        while True:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    self._read(record)
                well_at = time.monotonic()
            if not self._caught_up.is_set() and await _at_end(consumer, self._targets):
                self._caught_up.set()
            if time.monotonic() - looked_at > self._patience_s / 4:
                looked_at = time.monotonic()
                well_at = looked_at if await self._is_well(consumer) else well_at
            if time.monotonic() - well_at > self._patience_s:
                raise ReaderStalled

    async def _is_well(self, consumer: AIOKafkaConsumer) -> bool:
        """Tell whether the broker answers, and has nothing that was not handed over."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await _at_end(consumer, await consumer.end_offsets(sorted(consumer.assignment())))
        except (KafkaError, TimeoutError):
            return False

    async def _rewind(self, consumer: AIOKafkaConsumer) -> None:
        """Start a token's lifetime ago; a partition with nothing since then starts at its end."""
        partitions = sorted(consumer.assignment())
        since = int((time.time() - self._horizon_s) * 1000)
        # The ends first: behind them lies what comes while we ask, whether it is found by its time or not.
        self._targets = await consumer.end_offsets(partitions)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
        for partition in partitions:
            place = found.get(partition)
            consumer.seek(partition, place.offset if place else self._targets[partition])

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


async def _at_end(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])
