"""The event log as an auditor reads it: what was asked for, line by line, and in the audit before the first."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from libs.common.audit import Audit, staff_actor
from libs.common.bus.envelope import Record
from libs.common.bus.replay import LogUnavailable, Reading
from libs.common.bus.selection import Selection, paced
from libs.common.errors import Invalid, TooMany
from libs.common.events import event_classes
from libs.common.vault.keys import DataKeys
from libs.common.work import UnitOfWork
from services.privacy.history_lines import Counts, lines_of, people_sealed_for, read, told
from services.privacy.metrics import HISTORY_STREAMS

AT_ONCE = 3
"""Streams of one process: each holds a connection to Kafka, and what it has fetched."""
TELL_EVERY_S = 1.0
"""How often a stream tells how far it is: nothing may be wanted for long, and nobody should think it dead."""
A_CHUNK = 250
"""Records that are made into lines before anybody else has a turn."""


class TooManyStreams(TooMany):
    """Every stream there may be is being read."""

    code, title = "too-many-streams", "The log is being read by as many as can be, try again later"


class UnknownEvents(Invalid):
    """There is no event, or no topic, of that name."""

    code, title = "unknown-events", "There is no such event"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants of the log. Args: types, topics: by name, all where none is named; rate: records/s."""

    since: datetime | None = None
    until: datetime | None = None
    types: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    subject: UUID | None = None
    rate: int | None = None
    in_order: bool = False

    def selection(self) -> Selection:
        """Return it as the log is read. Raises: UnknownEvents (422)."""
        by_type = {event.type_name(): event.topic for event in event_classes()}
        known = set(by_type.values())
        if unknown := sorted({*self.types} - by_type.keys() | {*self.topics} - known):
            raise UnknownEvents(", ".join(unknown))
        topics = set(self.topics) or known
        if self.types:
            topics &= {by_type[name] for name in self.types}
        return Selection(tuple(sorted(topics)), self.since, self.until, frozenset(self.types), self.subject)


class Stream:
    """What was asked for, line by line; now and then `progress`, and `end` or `failed` as the last."""

    def __init__(self, reading: Reading, asked: Asked, keys: DataKeys, released: Callable[[], None]) -> None:
        self._reading, self._asked, self._keys, self._released = reading, asked, keys, released
        self._counts = Counts()

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield chunks of whole lines, as fast as they are taken."""
        yield self._told("progress")
        told_at = time.monotonic()
        try:
            async for records in paced(self._batches(), self._asked.rate):
                for first in range(0, len(records), A_CHUNK):
                    yield await self._shown(records[first : first + A_CHUNK])
                    await asyncio.sleep(0)
                if time.monotonic() - told_at >= TELL_EVERY_S:
                    yield self._told("progress")
                    told_at = time.monotonic()
        except LogUnavailable as error:
            yield self._told("failed", code=error.code)
        else:
            yield self._told("end")

    async def _shown(self, records: list[Record]) -> bytes:
        found = read(records)
        people = people_sealed_for(found)
        return lines_of(found, self._counts, await self._keys.having(people) if people else ())

    async def close(self) -> None:
        """End the reading; it is called once, however the stream ends."""
        self._released()
        await self._reading.close()

    def _batches(self) -> AsyncIterator[list[Record]]:
        return self._reading.in_order() if self._asked.in_order else self._reading.batches()

    def _told(self, kind: str, **more: str) -> bytes:
        return told(kind, self._counts, read=self._reading.read, of=self._reading.total, **more)


class History:
    """Opens streams of the log. Args: bootstrap: where Kafka is; keys: tells whose content is gone for good."""

    def __init__(self, bootstrap: str, work: UnitOfWork, audit: Audit, keys: DataKeys) -> None:
        self._bootstrap, self._work, self._audit, self._keys = bootstrap, work, audit, keys
        self._open = 0

    async def open(self, asked: Asked, staff_id: UUID) -> Stream:
        """Begin to read, and have it in the audit before anything is told.

        Raises:   TooManyStreams (429); UnknownEvents (422); LogUnavailable (503).
        Effects:  publishes action.recorded.
        """
        selection = asked.selection()
        if self._open >= AT_ONCE:
            raise TooManyStreams
        self._taken(1)
        try:
            reading = await Reading.open(self._bootstrap, selection)
        except BaseException:
            self._taken(-1)
            raise
        stream = Stream(reading, asked, self._keys, partial(self._taken, -1))
        try:
            await self._work.run(partial(self._record, asked, staff_id, reading.total))
        except BaseException:
            await stream.close()
            raise
        return stream

    async def _record(self, asked: Asked, staff_id: UUID, count: int) -> None:
        await self._audit.record(
            "events.timeline-read" if asked.in_order and asked.subject else "events.replayed",
            ground="audit",
            actor=staff_actor(staff_id),
            subject=asked.subject,
            count=count,
        )

    def _taken(self, number: int) -> None:
        self._open += number
        HISTORY_STREAMS.set(self._open)
