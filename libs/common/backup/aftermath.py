"""What the event log says came after a backup's moment: who left, what is void, and what is lost.

The log goes on where the databases went back. What is known of people who left is delivered again (those events are
not fenced), and who asked to be deleted or came back since; every other event since belongs to a write that is gone,
and would make half of it come back elsewhere: a balance of nobody, credits held for a job that is not there. So it is
entered as done into the inbox of each group that would have taken it, and told as lost.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import TopicPartition

from libs.common.backup import accounts, positions
from libs.common.backup.accounts import Wish
from libs.common.backup.erasures import Leavers, event_of
from libs.common.backup.manifest import Manifest
from libs.common.bus.envelope import Record, first_of
from libs.common.bus.group import Group
from libs.common.bus.inbox import InboxRow
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.replay import Reading
from libs.common.bus.selection import Selection
from libs.common.clock import now
from libs.common.events.base import Event, event_classes
from libs.common.mongo import Mongo

TOPICS = tuple(sorted({kind.topic for kind in event_classes()}))
UNFENCED = tuple(sorted({kind.topic for kind in event_classes() if not kind.fenced}))


@dataclass(frozen=True, slots=True)
class Since:
    """One event that the log has and the backup's moment had not, or may not have had."""

    id: str
    event: Event
    place: TopicPartition
    offset: int


@dataclass(slots=True)
class Aftermath:
    """The log since a backup. Args: databases: by service; groups: all consumer groups of the platform."""

    bootstrap: str
    manifest: Manifest
    databases: dict[str, Mongo]
    groups: list[Group]
    lost: Counter[str] = field(default_factory=Counter)
    wished: set[UUID] = field(default_factory=set)

    async def leavers(self) -> Leavers:
        """Return who left, as the log and what is left of the databases tell."""
        leavers = Leavers()
        async for batch in self._since(UNFENCED, every=True):
            for since in batch:
                leavers.hear(since.event)
        for service, mongo in self.databases.items():
            await leavers.read_database(mongo, service)
        return leavers

    async def hidden(self) -> int:
        """Return how many accounts are hidden by what `settle` brought them to."""
        return await accounts.hidden(self._auth, self.wished)

    async def settle(self) -> None:
        """Make void what belongs to writes that are gone, and put every group back to where it was.

        Events that wait in a restored outbox are none of those: they were written before, and are published anew.
        """
        waiting = {service: await _waiting(mongo) for service, mongo in self.databases.items()}
        kept = set[str]().union(*waiting.values())
        async for batch in self._since(TOPICS, every=False):
            gone = [each for each in batch if each.event.fenced and each.id not in kept]
            await self._void([each for each in gone if not await self._said_again(each.event)])
        first, _ = await positions.bounds(self.bootstrap)
        for group in self.groups:
            recorded = positions.flat(self.manifest.committed.get(group.name, {}))
            places = [place for place in first if place.topic in group.topics]
            back = {place: max(recorded.get(place, 0), first[place]) for place in places}
            await positions.put_back(self.bootstrap, group.name, back)

    async def _said_again(self, event: Event) -> bool:
        """Bring an account to what its person wished since; tell whether other services have to hear of it again."""
        if not isinstance(event, Wish) or not await accounts.say_again(self._auth, event):
            return False
        self.wished.add(event.user_id)
        return True

    @property
    def _auth(self) -> Mongo:
        return self.databases[accounts.SERVICE]

    async def _void(self, gone: list[Since]) -> None:
        self.lost.update(each.event.type_name() for each in gone)
        at = now()
        for group in self.groups:
            ids = [f"{group.name}:{each.id}" for each in gone if type(each.event) in group.handlers]
            inbox = self.databases[group.name.partition(".")[0]].collection(InboxRow)
            await inbox.upsert_many(({"_id": key}, {"$setOnInsert": {"at": at}}) for key in ids)

    async def _since(self, topics: Iterable[str], *, every: bool) -> AsyncIterator[list[Since]]:
        """Yield what came after the moment. Args: every: also what may have come just before it."""
        begin, ends = positions.flat(self.manifest.erasures_from), positions.flat(self.manifest.ends)
        late = set(self.manifest.late)
        reading = await Reading.open(self.bootstrap, Selection(tuple(topics)), positions=begin)
        try:
            async for records in reading.batches():
                known = [since for record in records if (since := _known(record))]
                yield [
                    each
                    for each in known
                    if every or each.id in late or each.offset >= ends.get(each.place, 0)
                ]
        finally:
            await reading.close()


def _known(record: Record) -> Since | None:
    """Return an event of the log; None for what no consumer would take either."""
    event_id, type_name = first_of(record.headers, "ce_id"), first_of(record.headers, "ce_type")
    event = event_of(type_name or "", record.value or b"")
    if event is None or event_id is None:
        return None
    return Since(event_id, event, TopicPartition(record.topic, record.partition), record.offset)


async def _waiting(mongo: Mongo) -> set[str]:
    """Return the events that wait in a restored outbox."""
    return {row["_id"] async for row in mongo.collection(OutboxRow).stream({}, projection={"_id": 1})}
