"""Which keys of a consumer group wait behind a dead letter, and the letters that its consumer writes."""

from collections.abc import Sequence
from uuid import UUID

from libs.common.bus.archive import Archive
from libs.common.bus.consumes import AlreadyDone
from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record, receive
from libs.common.bus.group import Group
from libs.common.bus.inbox import Inbox
from libs.common.bus.letters.rows import DeadLetter, ParkedKey, lane_id, letter_id
from libs.common.bus.letters.writing import PARKED, Fate, address, address_of, letter_of
from libs.common.clock import now
from libs.common.work import UnitOfWork

Key = tuple[str, bytes | None]
"""A topic, and a key on it."""


class NoLane(Exception):
    """The lane was closed meanwhile, and nothing waits any more; the transaction writes nothing."""


class Parking:
    """The lanes of one group, as its consumer sees them.

    The rows are the truth. The keys in memory may only be too many: where an event's key is among them, a transaction
    decides; all other events cost nothing. A key that is in the database alone was parked by whoever had its
    partition before, and is found once the partition has come to us: looked for any earlier, it may not be there yet.
    """

    def __init__(self, group: Group, work: UnitOfWork, archive: Archive) -> None:
        self._group, self._work, self._archive = group, work, archive
        self._inbox = Inbox(work.mongo, group.name)
        self._letters, self._lanes = work.mongo.collection(DeadLetter), work.mongo.collection(ParkedKey)
        self._keys: set[Key] = set()
        self._stale = True

    def expire(self) -> None:
        """Take note that partitions came to us: others have parked there what is not known here."""
        self._stale = True

    async def refresh(self) -> None:
        """Learn which keys are parked, where that may have changed without us."""
        while self._stale:
            self._stale = False
            try:
                self._keys |= await self._parked()
            except BaseException:
                self._stale = True
                raise

    def holds(self, one: Received) -> bool:
        """Tell whether an event may have to wait: `park` tells whether it does."""
        return bool(self._keys) and one.event.fenced and (one.topic, one.record.key) in self._keys

    async def park(self, ones: Sequence[Received]) -> bool:
        """Let events of one key wait, in their order; return whether they do, or have their turn now.

        Effects:  one transaction. Events that are parked already stay where they are.
        Raises:   SubjectErased: nobody is to wait for them.
        """
        first = ones[0]
        lane = lane_id(self._group.name, first.topic, first.event.key)
        if await self._lanes.find_one({"_id": lane}, projection={"_id": 1}) is None:
            self._keys.discard((first.topic, first.record.key))
            return False
        stored = await self._archive.store([one.record for one in ones], PARKED.code)
        letters = [
            letter_of(self._group.name, one.record, address(one), PARKED, where)
            for one, where in zip(ones, stored, strict=True)
        ]
        try:
            await self._work.run(lambda: self._line_up(lane, letters), subject=first.fenced_subject)
        except NoLane:
            self._keys.discard((first.topic, first.record.key))
            return False
        return True

    async def known(self, record: Record) -> bool:
        """Tell whether a record has a letter: it was given up, or put aside, and comes again.

        Effects:  where it has one, later events of its key may have to wait. It may be of a member that had the
                  partition before, and did so when we had looked which keys wait.
        """
        found = letter_id(self._group.name, record.topic, record.partition, record.offset)
        if await self._letters.find_one({"_id": found}, projection={"_id": 1}) is None:
            return False
        self._keys.add((record.topic, record.key))
        return True

    async def require_not_done(self, record: Record) -> None:
        """Refuse to give up what whoever has the partition by now has done. What cannot be read was never done.

        Raises:   AlreadyDone.
        """
        try:
            event_id = receive(record, self._group.readable).id
        except (Malformed, NotSubscribed):
            return
        if await self._inbox.known([event_id]):
            raise AlreadyDone(event_id)

    async def bury(self, record: Record, fate: Fate) -> None:
        """Write the letter of a record that is given up; from now on its key's later events wait.

        Raises:   SubjectErased: it is about somebody erased. AlreadyDone: it has had its effect. Nothing is written.
                  What passes: try again.
        """

        async def opened() -> None:
            await self.require_not_done(record)
            await self._open_lane(letter)

        about = address_of(record, self._group.readable)
        (stored,) = await self._archive.store([record], fate.code, fate.error)
        letter = letter_of(self._group.name, record, about, fate, stored)
        await self._work.run(opened, subject=letter.user_id)
        if letter.lane is not None:
            self._keys.add((record.topic, record.key))

    async def _line_up(self, lane: UUID, letters: list[DeadLetter]) -> None:
        change = {"$inc": {"places": len(letters)}, "$set": {"at": now()}}
        row = await self._lanes.find_one_and_update({"_id": lane}, change)
        if row is None:
            raise NoLane
        await self._keep(letters, row["places"])

    async def _open_lane(self, letter: DeadLetter) -> None:
        places = 0
        if letter.lane is not None and letter.key is not None:
            new = {"group": letter.group, "topic": letter.topic, "key": letter.key, "user_id": letter.user_id}
            change = {
                "$inc": {"places": 1},
                "$set": {"at": now()},
                "$setOnInsert": {**new, "draining": False},
            }
            row = await self._lanes.find_one_and_update({"_id": letter.lane}, change, upsert=True)
            places = row["places"] if row else 1
        await self._keep([letter], places)

    async def _keep(self, letters: list[DeadLetter], places: int) -> None:
        """Insert letters that are not there yet. Args: places: the lane's, these letters' included."""
        rows = []
        for place, letter in enumerate(letters, places - len(letters) + 1):
            row = letter.model_copy(update={"place": place}).to_mongo()
            rows.append(({"_id": row.pop("_id")}, {"$setOnInsert": row}))
        await self._letters.upsert_many(rows)

    async def _parked(self) -> set[Key]:
        mine = self._lanes.stream({"group": self._group.name}, projection={"topic": 1, "key": 1})
        return {(row["topic"], row["key"].encode()) async for row in mine}
