"""How far each holding's retention sweep is: a process that dies is succeeded where it was."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from libs.common.document import Document, Restored
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Operational


class Done(NamedTuple):
    """What one batch came to. Args: position: where the sweep is after it; gone, passed: removed, and left alone."""

    position: datetime | str
    gone: int
    passed: int


class Sweep(Document):
    """The sweep of one holding, under way or over.

    Args:     begun_at: the moment it goes by, None where none is under way; part, position: how far it is, a time,
              or the beginning of an object's name; gone, passed: what it removed, and left alone, until now;
              removed, left_alone: the same of the last one that was completed; removed_in_all: of all together;
              oldest_kept: when the oldest object was stored that the last one came by.

    A position says nothing about anybody: no row's key is in it.
    """

    collection: ClassVar[str] = "retention_sweeps"
    restored: ClassVar[Restored] = Restored.ANEW

    id: Operational[str] = Field(alias="_id")
    begun_at: Operational[datetime | None] = None
    part: Operational[int] = 0
    position: Operational[datetime | str | None] = None
    gone: Operational[int] = 0
    passed: Operational[int] = 0
    oldest_passing: Operational[datetime | None] = None
    completed_at: Operational[datetime | None] = None
    removed: Operational[int] = 0
    left_alone: Operational[int] = 0
    removed_in_all: Operational[int] = 0
    oldest_kept: Operational[datetime | None] = None

    @property
    def moment(self) -> datetime:
        """Return the moment that a sweep goes by. Raises RuntimeError: none is under way."""
        if self.begun_at is None:
            raise RuntimeError(f"no sweep of {self.id} is under way")
        return self.begun_at

    def begin(self, moment: datetime) -> None:
        """Begin, or go on with what another process began."""
        if self.begun_at is None:
            self.begun_at, self.part, self.position = moment, 0, None
            self.gone, self.passed, self.oldest_passing = 0, 0, None

    def note(self, position: datetime | str, gone: int, passed: int) -> None:
        """Note a batch."""
        self.position = position
        self.gone += gone
        self.passed += passed
        self.removed_in_all += gone

    def keep(self, stored_at: Iterable[datetime]) -> None:
        """Note when objects were stored that are left because their time is not over."""
        known = [self.oldest_passing] if self.oldest_passing else []
        self.oldest_passing = min([*known, *stored_at], default=None)

    def next_part(self) -> None:
        """Go on with the next rule, from its beginning."""
        self.part, self.position = self.part + 1, None

    def complete(self) -> None:
        """Note that all was looked at. What it went by is when it was up to date, not when it ended."""
        self.completed_at, self.begun_at = self.begun_at, None
        self.removed, self.left_alone, self.oldest_kept = self.gone, self.passed, self.oldest_passing


class Sweeps:
    """The sweeps of one service."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Sweep)

    async def of(self, holding: str) -> Sweep:
        """Return a holding's sweep; a new one where there was none."""
        row = await self._rows.find_one({"_id": holding})
        return Sweep.from_mongo(row) if row else Sweep(id=holding)

    async def save(self, sweep: Sweep) -> None:
        """Store how far a sweep is."""
        change: dict[str, Any] = {
            "$set": {key: value for key, value in sweep.to_mongo().items() if key != "_id"}
        }
        await self._rows.update_one({"_id": sweep.id}, change, upsert=True)
