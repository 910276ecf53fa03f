"""The operators' desk: what they may see of a service's dead letters, and do about them."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from aiokafka.errors import KafkaError

from libs.common.bus.archive import Reader, RecordGone
from libs.common.bus.letters.box import LetterBox
from libs.common.bus.letters.depth import GroupDepth, measure_depths
from libs.common.bus.letters.errors import LetterNotFound, LetterSettled, LetterWaits
from libs.common.bus.letters.redriver import stored_record
from libs.common.bus.letters.rows import DeadLetter
from libs.common.bus.letters.schemas import (
    LetterOut,
    LetterShownOut,
    RecordOut,
    RedriveIn,
    RedrivenOut,
    record_of,
)
from libs.common.clock import now
from libs.common.errors import Unavailable
from libs.common.mongo import Filter, Mongo
from libs.common.pagination import after_cursor, encode_cursor

MOST_AT_ONCE = 100
"""A transaction each, within the time that a gateway waits for an answer."""


class ArchiveUnavailable(Unavailable):
    """Kafka does not answer, which has the letters' bytes."""

    code, title = "archive-unavailable", "The records cannot be read at the moment"


class Desk:
    """Answers for one service. Args: groups: its consumer groups."""

    def __init__(self, box: LetterBox, mongo: Mongo, reader: Reader, groups: Iterable[str]) -> None:
        self.box, self._mongo, self._reader, self._groups = box, mongo, reader, list(groups)

    async def show(self, letter_id: UUID) -> LetterShownOut:
        """Return a letter with its record. Raises: LetterNotFound (404), ArchiveUnavailable (503)."""
        letter = await self.box.find(letter_id)
        shown = LetterOut.of(letter).model_dump()
        behind = await self.box.waiting_behind(letter)
        return LetterShownOut(**shown, waiting_behind=behind, record=await self._record(letter))

    async def redrive(self, asked: RedriveIn, staff_id: UUID) -> RedrivenOut:
        """Ask for many open letters, the oldest first, a page at a time: one that fails again is not met again.

        One that waits for an earlier letter which is not asked for is left out.

        Raises:   InvalidCursor (422).
        """
        wanted = matching(asked.group, asked.topic, asked.code, asked.older_than)
        behind = after_cursor(asked.cursor, made_at="at", oldest_first=True)
        found = await self.box.open_letters({"$and": [wanted, behind]}, MOST_AT_ONCE + 1)
        page = found[:MOST_AT_ONCE]
        taken = [await self._ask(letter.id, staff_id, asked.reason) for letter in page]
        more = encode_cursor(page[-1].at, page[-1].id) if len(found) > MOST_AT_ONCE else None
        return RedrivenOut(letters=[LetterOut.of(letter) for letter in taken if letter], next_cursor=more)

    async def depths(self) -> list[GroupDepth]:
        """Return how many letters wait, by group."""
        return await measure_depths(self._mongo, self._groups)

    async def _ask(self, letter_id: UUID, staff_id: UUID, reason: str) -> DeadLetter | None:
        try:
            return await self.box.ask(letter_id, staff_id, reason)
        except (LetterNotFound, LetterSettled, LetterWaits):
            return None

    async def _record(self, letter: DeadLetter) -> RecordOut | None:
        try:
            return record_of(letter, await stored_record(self._reader, letter))
        except RecordGone:
            return None
        except (KafkaError, OSError) as error:
            raise ArchiveUnavailable from error


def matching(
    group: str | None,
    topic: str | None,
    code: str | None,
    older_than_s: float | None,
    state: str | None = None,
) -> Filter:
    """Return the filter of the letters that an operator names."""
    named = {"group": group, "topic": topic, "code": code, "state": state}
    query: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    if older_than_s is not None:
        query["at"] = {"$lt": now() - timedelta(seconds=older_than_s)}
    return query
