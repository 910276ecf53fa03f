"""The letters of one service: the only door to them for whoever redrives, discards or looks at them."""

from collections.abc import Sequence
from uuid import UUID

from libs.common.audit import SYSTEM, Audit, staff_actor
from libs.common.bus.inbox import Inbox
from libs.common.bus.letters.errors import LetterNotFound, LetterSettled, LetterUnderWay, LetterWaits
from libs.common.bus.letters.rows import WAITING, DeadLetter, ParkedKey, State
from libs.common.bus.settling import NotDelivered, Outcome
from libs.common.clock import now
from libs.common.mongo import Filter, Mongo

ASKED, REDRIVEN = "dead-letter.redrive-asked", "dead-letter.redriven"
DISCARDED = "dead-letter.discarded"
BEHIND = "was-parked"
"""The ground on which what waited behind a letter is delivered."""

BY_PLACE = (("place", 1),)
OLDEST_FIRST = (("at", 1), ("_id", 1))
NEWEST_FIRST = (("at", -1), ("_id", -1))
LANES_AT_ONCE = 100


class LetterBox:
    """Moves letters from state to state. Each move is one transaction, with what the audit is told of it.

    A move that changes which letters of a lane have their turn writes the lane's row too, so that moves of one lane
    that meet are repeated, one after the other.
    """

    def __init__(self, mongo: Mongo, audit: Audit) -> None:
        self._mongo, self._audit = mongo, audit
        self._letters, self._lanes = mongo.collection(DeadLetter), mongo.collection(ParkedKey)

    async def find(self, letter_id: UUID) -> DeadLetter:
        """Return a letter. Raises: LetterNotFound (404)."""
        row = await self._letters.find_one({"_id": letter_id})
        if row is None:
            raise LetterNotFound
        return DeadLetter.from_mongo(row)

    async def page(self, query: Filter, limit: int) -> list[DeadLetter]:
        """Return letters, the newest first."""
        rows = await self._letters.find(query, sort=NEWEST_FIRST, limit=limit)
        return [DeadLetter.from_mongo(row) for row in rows]

    async def open_letters(self, query: Filter, limit: int) -> list[DeadLetter]:
        """Return letters that failed and that nobody deals with yet, the oldest first."""
        wanted = {**query, "state": State.OPEN}
        rows = await self._letters.find(wanted, sort=OLDEST_FIRST, limit=limit)
        return [DeadLetter.from_mongo(row) for row in rows]

    async def waiting_behind(self, letter: DeadLetter) -> int:
        """Return how many letters of its lane come after one."""
        if letter.lane is None:
            return 0
        behind = {"lane": letter.lane, "place": {"$gt": letter.place}, "state": {"$in": WAITING}}
        return await self._letters.count(behind)

    async def ask(self, letter_id: UUID, staff_id: UUID, reason: str) -> DeadLetter:
        """Ask for a letter to be redriven; asked twice, it is asked for once.

        Raises:   LetterNotFound (404).  LetterSettled, LetterWaits (409).
        Effects:  a redriver takes it up shortly; records dead-letter.redrive-asked.
        """
        return await self._mongo.transaction(lambda: self._ask(letter_id, staff_id, reason))

    async def discard(self, letter_id: UUID, staff_id: UUID, reason: str) -> DeadLetter:
        """Give a letter up for good; what waited behind it has its turn, in order.

        Raises:   LetterNotFound (404).  LetterSettled, LetterUnderWay (409).
        Effects:  records dead-letter.discarded. Should the event come again, it is taken as done.
        """
        return await self._mongo.transaction(lambda: self._discard(letter_id, staff_id, reason))

    async def draining(self) -> list[UUID]:
        """Return some lanes whose first letter has its turn, those that waited longest for it."""
        rows = await self._lanes.find(
            {"draining": True}, sort=[("at", 1)], limit=LANES_AT_ONCE, projection={"_id": 1}
        )
        return [row["_id"] for row in rows]

    async def put_last(self, lane: UUID) -> None:
        """Let all other lanes have their turn before this one, if it is there still."""
        await self._lanes.update_one({"_id": lane}, {"$set": {"at": now()}})

    async def asked_alone(self) -> list[DeadLetter]:
        """Return letters that were asked for and that nothing waits behind."""
        alone = {"state": State.REDRIVING, "lane": None}
        rows = await self._letters.find(alone, sort=OLDEST_FIRST, limit=LANES_AT_ONCE)
        return [DeadLetter.from_mongo(row) for row in rows]

    async def next_of(self, lane: UUID) -> DeadLetter | None:
        """Return the letter of a lane that has its turn.

        Effects:  where it waits for an operator, the lane stands still; where there is none, the lane is closed.
        """
        first = await self._first(lane)
        if first is not None and first.state is not State.OPEN:
            return first
        await self._mongo.transaction(lambda: self._rest(lane))
        return None

    async def redriven(self, letter: DeadLetter, outcome: Outcome) -> bool:
        """Settle a letter that was delivered; return whether it was not settled before.

        Effects:  records dead-letter.redriven.
        """
        return await self._mongo.transaction(lambda: self._redriven(letter, outcome))

    async def failed(self, letter: DeadLetter, why: NotDelivered) -> None:
        """Open a letter again that failed once more; its lane stands still."""
        await self._mongo.transaction(lambda: self._failed(letter, why))

    async def _ask(self, letter_id: UUID, staff_id: UUID, reason: str) -> DeadLetter:
        letter = await self._unsettled(letter_id)
        if letter.state is State.REDRIVING:
            return letter
        before = (State.OPEN,) if letter.state is State.OPEN else WAITING
        if letter.lane is not None and await self._earlier(letter, before):
            raise LetterWaits
        asked = {"state": State.REDRIVING, "asked_by": staff_id, "asked_at": now(), "reason": reason}
        await self._set(letter, asked)
        await self._let_run(letter.lane)
        await self._record(ASKED, letter, staff_actor(staff_id), reason)
        return letter.model_copy(update=asked)

    async def _discard(self, letter_id: UUID, staff_id: UUID, reason: str) -> DeadLetter:
        letter = await self._unsettled(letter_id)
        if letter.state is State.REDRIVING or await self._has_its_turn(letter):
            raise LetterUnderWay
        settled = {"state": State.DISCARDED, "asked_by": staff_id, "reason": reason, "settled_at": now()}
        await self._set(letter, settled)
        await self._forestall(letter)
        await self._let_run(letter.lane)
        await self._record(DISCARDED, letter, staff_actor(staff_id), reason)
        return letter.model_copy(update=settled)

    async def _forestall(self, letter: DeadLetter) -> None:
        """Take the event as done: its offset may not be committed yet, and it would come once more."""
        inbox = Inbox(self._mongo, letter.group)
        if letter.event_id is not None and not await inbox.known([letter.event_id]):
            await inbox.claim(letter.event_id)

    async def _redriven(self, letter: DeadLetter, outcome: Outcome) -> bool:
        settled = {"state": State.REDRIVEN, "outcome": outcome.value, "settled_at": now()}
        if not await self._set(letter, settled, (State.REDRIVING, State.PARKED)):
            return False
        if letter.asked_by is None:
            await self._record(REDRIVEN, letter, SYSTEM, BEHIND)
        else:
            await self._record(REDRIVEN, letter, staff_actor(letter.asked_by), letter.reason or BEHIND)
        return True

    async def _failed(self, letter: DeadLetter, why: NotDelivered) -> None:
        again = {"state": State.OPEN, "code": why.code, "error": why.error, "tries": letter.tries + 1}
        again |= {"asked_by": None, "asked_at": None, "reason": None}
        if await self._set(letter, again, (State.REDRIVING, State.PARKED)) and letter.lane is not None:
            await self._lanes.update_one({"_id": letter.lane}, {"$set": {"draining": False}})

    async def _rest(self, lane: UUID) -> None:
        """Close a lane, or let it stand still, whichever is right in this transaction."""
        first = await self._first(lane)
        if first is None:
            await self._lanes.delete_one({"_id": lane})
        elif first.state is State.OPEN:
            await self._lanes.update_one({"_id": lane}, {"$set": {"draining": False}})

    async def _unsettled(self, letter_id: UUID) -> DeadLetter:
        letter = await self.find(letter_id)
        if letter.state not in WAITING:
            raise LetterSettled
        return letter

    async def _first(self, lane: UUID) -> DeadLetter | None:
        waiting = {"lane": lane, "state": {"$in": WAITING}}
        row = await self._letters.find_one(waiting, sort=BY_PLACE)
        return None if row is None else DeadLetter.from_mongo(row)

    async def _earlier(self, letter: DeadLetter, states: Sequence[State]) -> bool:
        before = {"lane": letter.lane, "place": {"$lt": letter.place}, "state": {"$in": states}}
        return await self._letters.find_one(before, projection={"_id": 1}) is not None

    async def _has_its_turn(self, letter: DeadLetter) -> bool:
        """Tell whether what waited behind others is first of a lane that runs: it may be being delivered."""
        if letter.state is not State.PARKED or letter.lane is None:
            return False
        runs = await self._lanes.find_one({"_id": letter.lane, "draining": True}, projection={"_id": 1})
        return runs is not None and not await self._earlier(letter, WAITING)

    async def _set(self, letter: DeadLetter, changed: Filter, states: Sequence[State] = WAITING) -> bool:
        still = {"_id": letter.id, "state": {"$in": states}}
        return bool(await self._letters.update_one(still, {"$set": changed}))

    async def _let_run(self, lane: UUID | None) -> None:
        """Let a lane run. The count is a change also where it runs already: without one, nothing conflicts."""
        if lane is not None:
            await self._lanes.update_one({"_id": lane}, {"$set": {"draining": True}, "$inc": {"starts": 1}})

    async def _record(self, action: str, letter: DeadLetter, actor: str, ground: str) -> None:
        await self._audit.record(
            action, actor=actor, ground=ground, subject=letter.user_id, target=str(letter.id)
        )
