"""Which keys of a group wait during a replay: what it handed over of them would overtake what has failed."""

from collections.abc import Iterable
from uuid import UUID

from libs.common.bus.envelope import Received, Record
from libs.common.bus.group import Group
from libs.common.bus.letters.rows import DeadLetter, ParkedKey, State, lane_id, letter_id
from libs.common.bus.letters.writing import address_of
from libs.common.mongo import Mongo


class Lanes:
    """The keys that wait: behind a dead letter, or behind what failed in this replay.

    What an operator discarded holds nothing up: its key has gone on without it.

    Args:     failed: the lanes of the keys of which an event failed in this replay already.
    """

    def __init__(self, mongo: Mongo, group: Group, failed: Iterable[UUID]) -> None:
        self._letters, self._parked = mongo.collection(DeadLetter), mongo.collection(ParkedKey)
        self._group, self.failed = group, set(failed)

    async def waiting(self, received: Iterable[Received]) -> list[Received]:
        """Return the events whose key waits. One that is not fenced waits for nothing, as in the consumer."""
        fenced = [(self._lane(one), one) for one in received if one.event.fenced]
        closed = self.failed | await self._parked_among({lane for lane, _ in fenced})
        return [one for lane, one in fenced if lane in closed]

    async def note_failed(self, record: Record) -> None:
        """Let the later events of a record's key wait from now on."""
        key = address_of(record, self._group.readable).key
        if key is not None and not await self._discarded(record):
            self.failed.add(lane_id(self._group.name, record.topic, key))

    def _lane(self, one: Received) -> UUID:
        return lane_id(self._group.name, one.topic, one.event.key)

    async def _parked_among(self, lanes: set[UUID]) -> set[UUID]:
        if not lanes:
            return set()
        found = {"_id": {"$in": list(lanes)}}
        rows = await self._parked.find(found, limit=len(lanes), projection={"_id": 1})
        return {row["_id"] for row in rows}

    async def _discarded(self, record: Record) -> bool:
        its = letter_id(self._group.name, record.topic, record.partition, record.offset)
        found = {"_id": its, "state": State.DISCARDED}
        return await self._letters.find_one(found, projection={"_id": 1}) is not None
