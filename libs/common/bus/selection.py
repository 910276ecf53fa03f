"""Which records of the log are wanted, and how fast: told by their bytes, before anything of them is decoded."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.bus.envelope import Record

BATCH = 2_000
SLICES_A_SECOND = 10


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records are wanted. What is not given restricts nothing.

    Args:     since, until: from a moment on, and before one, by the log's own time; types: CloudEvents types;
              subject: a person's id, or another subject's: the key, or anywhere in the body.
    """

    topics: tuple[str, ...]
    since: datetime | None = None
    until: datetime | None = None
    types: frozenset[str] = frozenset()
    subject: UUID | None = None


class Sieve:
    """Tells wanted records from the others by their bytes."""

    def __init__(self, selection: Selection) -> None:
        self._since_ms, self._until_ms = milliseconds(selection.since), milliseconds(selection.until)
        self._types = frozenset(name.encode() for name in selection.types)
        self._subject = str(selection.subject).encode() if selection.subject else None

    def wanted(self, records: list[Record]) -> list[Record]:
        """Return the wanted ones, in their order."""
        if (since := self._since_ms) is not None:
            records = [record for record in records if record.timestamp >= since]
        if (until := self._until_ms) is not None:
            records = [record for record in records if record.timestamp < until]
        if (subject := self._subject) is not None:
            records = [each for each in records if each.key == subject or subject in (each.value or b"")]
        return [record for record in records if self._is_of_type(record)] if self._types else records

    def _is_of_type(self, record: Record) -> bool:
        """Tell whether a record is of a wanted type; one of no type at all is, so that somebody sees it."""
        for name, value in record.headers:
            if name == "ce_type":
                return value in self._types
        return True


def slice_of(rate: int | None) -> int:
    """Return how many records come together at most, where `rate` a second are wanted."""
    return BATCH if rate is None else max(1, rate // SLICES_A_SECOND)


async def paced(batches: AsyncIterator[list[Record]], rate: int | None) -> AsyncIterator[list[Record]]:
    """Yield the same records, at most `rate` a second, evenly; as they come where there is no rate."""
    if rate is None:
        async for batch in batches:
            yield batch
        return
    step, free_at = slice_of(rate), time.monotonic()
    async for batch in batches:
        for first in range(0, max(1, len(batch)), step):
            part = batch[first : first + step]
            await asyncio.sleep(max(0.0, free_at - time.monotonic()))
            free_at = max(free_at, time.monotonic()) + len(part) / rate
            yield part


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment as the log tells it."""
    return None if moment is None else int(moment.timestamp() * 1000)
