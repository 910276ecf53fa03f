"""I/O handlers: many at once over different keys, in order within a key, committing as they finish."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from libs.common.bus.consumes import AlreadyDone
from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record
from libs.common.bus.once import perform
from libs.common.bus.ownership import Ownership
from libs.common.bus.parts import Parts
from libs.common.bus.settling import Abandoned, Outcome
from libs.common.bus.window import Place, Window
from libs.common.logging import logger
from libs.common.stopping import is_cancelled

LaneKey = tuple[str, int, bytes | None]

log = logger("bus.consumer")


class Interrupted(Exception):
    """A job ended by a cancellation that nobody here asked for: a library's own."""


@dataclass(slots=True)
class Job:
    """A record on its way. Args: received: None where it cannot be read; outcome: None until it is settled."""

    record: Record
    place: Place
    window: Window
    ownership: Ownership
    received: Received | None
    outcome: Outcome | None = None


class StreamWorker:
    """Runs one group's I/O handlers.

    Records of one key form a lane and are worked on one after another; up to `concurrency` lanes work at once.
    There is no batch to wait for: a free place is taken by the next record that has come.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._most = max(parts.group.batch, 2 * parts.group.concurrency)
        self._places = asyncio.Semaphore(parts.group.concurrency)
        self._working_on: dict[str, asyncio.Event] = {}
        self._begun: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._committing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._start_over()

    def _start_over(self) -> None:
        self._window = Window()
        self._lanes: dict[LaneKey, deque[Job]] = {}

    async def room(self) -> int:
        """Wait until there is room; return how many records can be taken.

        Raises:   what stops the consumer, such as TooManyDeadLetters.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            if (free := self._most - self._window.size) > 0:
                return free
            self._changed.clear()
            await self._changed.wait()

    def assigned(self) -> None:
        """Learn anew which keys wait, before anything is taken."""
        self._parts.parking.expire()

    async def take(self, records: Sequence[Record], ownership: Ownership) -> None:
        """Put records into their lanes; what was done before, or is void, is settled at once."""
        jobs = [self._job(record, ownership) for record in records]
        try:
            await self._parts.settler.persist(records[0], self._parts.parking.refresh, ownership.pause)
            await self._pass_over(jobs, ownership)
        except Abandoned:
            return
        if ownership.ending:  # what has been let go meanwhile stays out of the lanes of who has it next
            return
        for job in jobs:
            if job.outcome is None:
                self._enqueue(job)
            else:
                self._finish(job, job.outcome)

    async def drain(self, within_s: float) -> None:
        """Wait for what is under way, or until the time is over, and commit what is settled.

        What goes on for longer may still finish: its effect counts, and whoever has the record finds it done.
        """
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        if self._committing is not None:
            await self._committing
        if self._tasks:
            group = self._parts.group.name
            log.warning("jobs.outlived_their_partitions", group=group, jobs=len(self._tasks))
        self._start_over()
        self._changed.set()

    async def close(self) -> None:
        """Cancel what is still under way; whoever reads its record next begins it anew."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._failure = None

    def _job(self, record: Record, ownership: Ownership) -> Job:
        try:
            received = self._parts.receive(record)
        except (Malformed, NotSubscribed):
            received = None  # its lane finds out once more, and settles it
        return Job(record, self._window.enter(record), self._window, ownership, received)

    async def _pass_over(self, jobs: list[Job], ownership: Ownership) -> None:
        """Mark the jobs that need no work: done before, or about somebody erased. Raises: Abandoned."""
        received = [job.received for job in jobs if job.received is not None]
        if not received:
            return

        async def look() -> None:
            known = await self._parts.inbox.known(one.id for one in received)
            await self._parts.sweep_late([one for one in received if one.id in known])
            void = await self._parts.erased(received)
            for job in jobs:
                if job.received is not None and job.received.id in known:
                    job.outcome = Outcome.DUPLICATE
                elif job.received is not None and job.received.fenced_subject in void:
                    job.outcome = Outcome.ERASED

        await self._parts.settler.persist(received[0].record, look, ownership.pause)

    def _enqueue(self, job: Job) -> None:
        key = (job.record.topic, job.record.partition, job.record.key)
        if lane := self._lanes.get(key):
            lane.append(job)
            return
        self._lanes[key] = deque([job])
        task = asyncio.create_task(self._run_lane(key, self._lanes), name=f"lane-{self._parts.group.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, key: LaneKey, lanes: dict[LaneKey, deque[Job]]) -> None:
        lane = lanes[key]
        try:
            while lane:
                await self._run(lane[0])
                lane.popleft()
        except Abandoned:
            log.debug("lane.abandoned", group=self._parts.group.name)
        except Exception as error:  # noqa: BLE001 - it must reach the consumer, which stops or starts over
            self._failure = error
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            self._failure = Interrupted()
            self._failure.__cause__ = error
        finally:
            del lanes[key]
            self._changed.set()

    async def _run(self, job: Job) -> None:
        outcome = await self._parts.parked_behind(job.record, job.ownership.pause)
        if outcome is None:
            attempt = partial(self._attempt, job)
            outcome = await self._parts.settler.settle(job.record, attempt, job.ownership.pause)
        self._finish(job, outcome)

    async def _attempt(self, job: Job) -> None:
        async with self._places:
            if job.ownership.ending:
                raise Abandoned
            received = self._parts.receive(job.record)
            await self._await_earlier(received)
            await self._require_fresh(received)
            over = self._working_on[received.id] = asyncio.Event()
            try:
                await perform(self._parts, received)
            finally:
                over.set()
                self._working_on.pop(received.id, None)

    async def _await_earlier(self, received: Received) -> None:
        """Let a call for the same event finish that outlived its partitions, which have come back to us.

        Raises:   AlreadyDone: it had its effect.
        """
        while earlier := self._working_on.get(received.id):
            await earlier.wait()
            if await self._parts.inbox.known([received.id]):
                raise AlreadyDone(received.id)

    async def _require_fresh(self, received: Received) -> None:
        """Look once more at an event that was begun not long ago: a relay that was killed has published it twice.

        Both may be taken before either is done. Raises: AlreadyDone: it had its effect.
        """
        if received.id in self._begun and await self._parts.inbox.known([received.id]):
            raise AlreadyDone(received.id)
        self._begun[received.id] = None
        while len(self._begun) > 2 * self._most:
            self._begun.popitem(last=False)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        job.place.settled = True
        self._parts.count([job.record], outcome)
        self._changed.set()
        outlived = job.window is not self._window
        if not outlived and (self._committing is None or self._committing.done()):
            self._committing = asyncio.create_task(self._commit(job.ownership, job.window))

    async def _commit(self, ownership: Ownership, window: Window) -> None:
        """Commit as far as all is settled; what settles meanwhile goes with the next commit."""
        while offsets := window.pop_settled():
            await ownership.commit(offsets)
            self._changed.set()
