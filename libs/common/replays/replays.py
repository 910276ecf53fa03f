"""A service's replays to its own groups: ordered by operators, carried out by one of its workers."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from uuid import UUID

from libs.common.audit import Audit, staff_actor
from libs.common.bus.consumes import Subscription
from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record, receive
from libs.common.bus.group import Group, groups_of
from libs.common.bus.inbox import Inbox
from libs.common.bus.lease import Lease
from libs.common.bus.parts import subjects_of
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.replay import Reading
from libs.common.bus.selection import Selection, paced, slice_of
from libs.common.bus.settling import NotDelivered
from libs.common.errors import Invalid, NotFound
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.replays.runs import ReplayRun, Runs, State
from libs.common.work import UnitOfWork

LOOK_EVERY_S = 1.0
LEASE_S = 6.0

log = logger("replays")


class UnknownGroup(Invalid):
    """The service has no consumer group of that name, or the group does not read such events."""

    code, title = "unknown-group", "There is no such consumer group here, or it does not read these events"


class ReplayNotFound(NotFound):
    """There is no such replay."""

    code, title = "replay-not-found", "There is no such replay"


class Replays:
    """Takes orders, and tells or does what they ask for, one at a time.

    Args:     subscriptions: all of the service's.
    """

    def __init__(
        self,
        bootstrap: str,
        mongo: Mongo,
        work: UnitOfWork,
        audit: Audit,
        subscriptions: Iterable[Subscription],
    ) -> None:
        self._bootstrap, self._mongo, self._work, self._audit = bootstrap, mongo, work, audit
        self._groups = {group.name: group for group in groups_of(subscriptions)}
        self._runs = Runs(mongo)

    async def ask(self, run: ReplayRun, staff_id: UUID) -> ReplayRun:
        """Order a replay.

        Raises:   UnknownGroup (422).
        Effects:  the order; publishes action.recorded.
        """
        group = self._groups.get(run.group)
        if group is None or set(run.types) - group.readable.keys():
            raise UnknownGroup
        await self._work.run(partial(self._ask, run, staff_id))
        return run

    async def find(self, run_id: UUID) -> ReplayRun:
        """Return a replay. Raises: ReplayNotFound (404)."""
        if run := await self._runs.find(run_id):
            return run
        raise ReplayNotFound

    async def work_for_ever(self, redeliveries: Mapping[str, Redelivery]) -> None:
        """Carry out what is ordered, for as long as the process lives; one worker of the service does."""
        while True:
            if await self._runs.next():
                lease = Lease(self._mongo, "replays", LEASE_S)
                async with lease.held():
                    while run := await self._runs.next():
                        if await self._runs.begin(run):
                            await self._carry_out(run, redeliveries[run.group], lease)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _carry_out(self, run: ReplayRun, redelivery: Redelivery, lease: Lease) -> None:
        """Go through what is selected, from where an earlier try was.

        Raises:   Abandoned, LogUnavailable, LeaseLost: another try goes on from there.
        """
        group = self._groups[run.group]
        chosen = Selection(group.topics, run.since, run.until, frozenset(run.types), run.subject)
        reading = await Reading.open(self._bootstrap, chosen, positions=run.begins())
        try:
            # No larger batch than what is taken in at once: the positions that are noted are those of its end.
            batches = reading.batches(slice_of(run.rate))
            async for records in paced(batches, run.rate):
                lease.require()
                run.counts = dict(Counter(run.counts) + await self._taken(run, group, redelivery, records))
                positions = {partition: span.position for partition, span in reading.spans.items()}
                await self._runs.note(run, positions, reading.read, reading.total)
        finally:
            await reading.close()
        await self._runs.end(run, State.DONE)
        log.info("replay.done", group=run.group, delivered=run.deliver)

    async def _taken(
        self, run: ReplayRun, group: Group, redelivery: Redelivery, records: list[Record]
    ) -> Counter[str]:
        if run.deliver:
            return Counter([await _delivered(redelivery, record) for record in records])
        return await self._foreseen(group, records)

    async def _foreseen(self, group: Group, records: list[Record]) -> Counter[str]:
        """Count what would become of records: delivered, known to the inbox already, or void by an erasure."""
        readable, unreadable = _sifted(group, records)
        known = await Inbox(self._mongo, group.name).known(one.id for one in readable)
        erased = set(await self._work.tombstones.among(subjects_of(readable)))
        fresh = [one for one in readable if one.id not in known]
        void = sum(one.fenced_subject in erased for one in fresh)
        return unreadable + Counter(
            {"duplicate": len(readable) - len(fresh), "erased": void, "deliverable": len(fresh) - void}
        )

    async def _ask(self, run: ReplayRun, staff_id: UUID) -> None:
        await self._runs.add(run)
        action = "events.redelivered" if run.deliver else "events.redelivery-foreseen"
        await self._audit.record(
            action, ground="operations", actor=staff_actor(staff_id), subject=run.subject, target=run.group
        )


def _sifted(group: Group, records: Iterable[Record]) -> tuple[list[Received], Counter[str]]:
    readable, unreadable = [], Counter[str]()
    for record in records:
        try:
            readable.append(receive(record, group.readable))
        except Malformed:
            unreadable["malformed"] += 1
        except NotSubscribed:
            unreadable["ignored"] += 1
    return readable, unreadable


async def _delivered(redelivery: Redelivery, record: Record) -> str:
    """Return what became of a record: an Outcome, or `failed` with the reason in the log."""
    try:
        return (await redelivery.deliver(record)).value
    except NotDelivered as error:
        log.warning(
            "replay.not_delivered",
            group=redelivery.group,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=error.code,
        )
        return "failed"
