"""What a consumer group's workers share: reading records, the inbox, the fence, settling, and counting."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from libs.common.bus import metrics
from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record, receive
from libs.common.bus.group import Group
from libs.common.bus.inbox import Inbox
from libs.common.bus.letters.parking import Parking
from libs.common.bus.settings import BusSettings
from libs.common.bus.settling import Outcome, Pause, Settler
from libs.common.clock import now
from libs.common.errors import SubjectErased
from libs.common.mongo import Mongo
from libs.common.privacy.tombstones import Tombstones
from libs.common.work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Parts:
    """The collaborators of one group's worker."""

    group: Group
    settings: BusSettings
    mongo: Mongo
    work: UnitOfWork
    tombstones: Tombstones
    inbox: Inbox
    settler: Settler
    parking: Parking

    async def held(self, received: Iterable[Received], pause: Pause) -> list[Received]:
        """Return the events that may have to wait: their key does, and they have not had their effect before it did.

        Raises:   Abandoned.
        """
        found = [one for one in received if self.parking.holds(one)]
        if not found:
            return []
        look = partial(self.inbox.known, [one.id for one in found])
        known = await self.settler.persist(found[0].record, look, pause)
        return [one for one in found if one.id not in known]

    async def parked(self, ones: Sequence[Received], pause: Pause) -> Outcome | None:
        """Let held events of one key wait. Raises: Abandoned.

        Returns:  PARKED; ERASED: nobody is to wait for them; None: it is their turn.
        """
        try:
            waits = await self.settler.persist(ones[0].record, partial(self.parking.park, ones), pause)
        except SubjectErased:
            return Outcome.ERASED
        return Outcome.PARKED if waits else None

    async def parked_behind(self, record: Record, pause: Pause) -> Outcome | None:
        """Let one record wait where it must; see `parked`. What cannot be read waits for nothing."""
        try:
            held = await self.held([self.receive(record)], pause)
        except (Malformed, NotSubscribed):
            return None
        return await self.parked(held, pause) if held else None

    def receive(self, record: Record) -> Received:
        """Return the event that a record carries. Raises: Malformed, NotSubscribed."""
        return receive(record, self.group.readable)

    async def erased(self, received: Iterable[Received]) -> set[UUID]:
        """Return those persons of fenced events who are erased."""
        return set(await self.tombstones.among(subjects_of(received)))

    async def sweep_late(self, received: Iterable[Received]) -> set[UUID]:
        """Erase again what was committed for a person whose tombstone the transaction could not see yet.

        Also for duplicates: their transaction's process may have died between its commit and this look.
        """
        erased = await self.erased(received)
        if erased:
            await self.tombstones.sweep(list(erased))
        return erased

    def count(self, records: Iterable[Record], outcome: Outcome) -> None:
        """Count settled records and note the progress."""
        group = self.group.name
        by_topic = Counter(record.topic for record in records)
        for topic, number in by_topic.items():
            metrics.EVENTS.labels(group, topic, outcome.value).inc(number)
        if outcome is Outcome.DUPLICATE:
            metrics.DUPLICATES.labels(group).inc(by_topic.total())
        metrics.LAST_PROGRESS.labels(group).set(time.time())

    def observe_ages(self, received: Iterable[Received]) -> None:
        """Record how long after the event its effect came."""
        at = now()
        for one in received:
            age = (at - one.time).total_seconds()
            metrics.EVENT_AGE.labels(self.group.name, one.topic).observe(max(0.0, age))


def subjects_of(received: Iterable[Received]) -> set[UUID]:
    """Return the persons whose erasure would make these events void."""
    return {subject for one in received if (subject := one.fenced_subject) is not None}
