"""A service's replays to its own groups: ordered by operators, carried out by one of its workers."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from uuid import UUID

from libs.common.audit import Audit, staff_actor
from libs.common.bus.consumes import Subscription
from libs.common.bus.group import Group, groups_of
from libs.common.bus.inbox import Inbox
from libs.common.bus.lease import Lease
from libs.common.bus.offsets import committed_by
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.replay import LogUnavailable, Reading
from libs.common.bus.selection import Selection, paced, slice_of
from libs.common.bus.settling import Abandoned
from libs.common.errors import Conflict, Invalid, NotFound
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.replays.handover import Handover
from libs.common.replays.lanes import Lanes
from libs.common.replays.runs import ReplayRun, ReplayRuns
from libs.common.runs import State
from libs.common.work import UnitOfWork

LOOK_EVERY_S = 1.0
LEASE_S = 6.0
MOST_LISTED = 50
MOST_FAILED = 1_000
"""Keys of which an event failed: where there are more, the fault is not in the events, and the replay ends."""

log = logger("replays")


class UnknownGroup(Invalid):
    """The service has no consumer group of that name, or the group does not read such events."""

    code, title = "unknown-group", "There is no such consumer group here, or it does not read these events"


class UnreadTopics(Invalid):
    """The group does not read such a topic."""

    code, title = "unread-topics", "The group does not read these topics"


class ReplayNotFound(NotFound):
    """There is no such replay."""

    code, title = "replay-not-found", "There is no such replay"


class ReplayOver(Conflict):
    """It has come to its end already."""

    code, title = "replay-over", "This replay is over already"


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
        self._runs = ReplayRuns(mongo)

    async def ask(self, run: ReplayRun, staff_id: UUID) -> ReplayRun:
        """Order a replay.

        Raises:   UnknownGroup, UnreadTopics (422).
        Effects:  the order; publishes action.recorded.
        """
        group = self._groups.get(run.group)
        if group is None or set(run.types) - group.readable.keys():
            raise UnknownGroup
        if set(run.topics) - set(group.topics):
            raise UnreadTopics(f"{group.name} reads {', '.join(group.topics)}")
        await self._work.run(partial(self._ask, run, staff_id))
        return run

    async def find(self, run_id: UUID) -> ReplayRun:
        """Return a replay. Raises: ReplayNotFound (404)."""
        if run := await self._runs.find(run_id):
            return run
        raise ReplayNotFound

    async def latest(self) -> list[ReplayRun]:
        """Return replays, the latest ordered first."""
        return await self._runs.latest(MOST_LISTED)

    async def stop(self, run_id: UUID, staff_id: UUID) -> ReplayRun:
        """Have a replay stopped: at most what its worker is at is delivered still.

        Raises:   ReplayNotFound (404).  ReplayOver (409).
        Effects:  publishes action.recorded.
        """
        run = await self.find(run_id)
        await self._work.run(partial(self._stop, run, staff_id))
        return await self.find(run_id)

    async def work_for_ever(self, redeliveries: Mapping[str, Redelivery]) -> None:
        """Carry out what is ordered, for as long as the process lives; one worker of the service does."""
        while True:
            if await self._runs.next():
                lease = Lease(self._mongo, "replays", LEASE_S)
                async with lease.held():
                    while run := await self._runs.next():
                        if await self._runs.begin(run):
                            await self._attempt(run, redeliveries[run.group], lease)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _attempt(self, run: ReplayRun, redelivery: Redelivery, lease: Lease) -> None:
        """Carry a replay out.

        Raises:   Abandoned, LogUnavailable, LeaseLost: another try goes on from there.
        """
        try:
            await self._carry_out(run, redelivery, lease)
        except (Abandoned, LogUnavailable):
            await self._runs.put_off(run)
            raise

    async def _carry_out(self, run: ReplayRun, redelivery: Redelivery, lease: Lease) -> None:
        """Go through what is selected, from where an earlier try was. Raises: as above."""
        group = self._groups[run.group]
        lanes = Lanes(self._mongo, group, run.lanes)
        inbox = Inbox(self._mongo, group.name)
        handover = Handover(group, redelivery, lanes, inbox, self._work.tombstones)
        take = handover.deliver if run.deliver else handover.foresee
        # What the group has not come to is its consumer's: handed over from here, it would overtake what lies before.
        reached = await committed_by(self._bootstrap, group.name)
        selection = _selection(run, group)
        reading = await Reading.open(self._bootstrap, selection, positions=run.begins(), within=reached)
        try:
            # No larger batch than what is taken in at once: the positions that are noted are those of its end.
            batches = reading.batches(slice_of(run.rate))
            async for records in paced(batches, run.rate):
                lease.require()
                run.counts = dict(Counter(run.counts) + await take(records))
                run.lanes = list(lanes.failed)
                positions = {partition: span.position for partition, span in reading.spans.items()}
                so_far = {"counts": run.counts, "lanes": run.lanes}
                goes_on = await self._runs.note(run, positions, reading.read, reading.total, **so_far)
                if not goes_on or len(run.lanes) > MOST_FAILED:
                    break
        finally:
            await reading.close()
        await self._end(run)

    async def _end(self, run: ReplayRun) -> None:
        """End a replay that is through, or of which so much failed that it is not to go on, or that was stopped."""
        given_up = len(run.lanes) > MOST_FAILED
        if not await self._runs.end(run, State.FAILED if given_up else State.DONE):
            log.info("replay.stopped", group=run.group, delivered=run.deliver)
        elif given_up:
            log.error("replay.given_up", group=run.group, keys=len(run.lanes))
        else:
            log.info("replay.done", group=run.group, delivered=run.deliver)

    async def _stop(self, run: ReplayRun, staff_id: UUID) -> None:
        if not await self._runs.end(run, State.STOPPED):
            raise ReplayOver
        await self._audit.record(
            "events.redelivery-stopped", ground="operations", actor=staff_actor(staff_id), target=run.group
        )

    async def _ask(self, run: ReplayRun, staff_id: UUID) -> None:
        await self._runs.add(run)
        action = "events.redelivered" if run.deliver else "events.redelivery-foreseen"
        await self._audit.record(
            action, ground="operations", actor=staff_actor(staff_id), subject=run.subject, target=run.group
        )


def _selection(run: ReplayRun, group: Group) -> Selection:
    topics = tuple(run.topics) or group.topics
    return Selection(topics, run.since, run.until, frozenset(run.types), run.subject)
