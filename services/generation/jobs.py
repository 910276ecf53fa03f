"""Jobs as their person and billing see them: asked for, admitted in turn, cancelled, tried again."""

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from secrets import randbelow
from uuid import UUID

from libs.common.clock import new_id, now
from libs.common.events.generation import GenerationFailedV1, GenerationQueuedV1, GenerationRequestedV1
from libs.common.pagination import encode_cursor
from libs.common.suspensions import Suspensions
from libs.common.work import UnitOfWork
from services.generation.backends.base import Style
from services.generation.errors import (
    JobFinished,
    JobNotFound,
    JobNotRetryable,
    KeyReused,
    KeyTaken,
    TooManyJobs,
)
from services.generation.metrics import FINISHED, SUBMITTED
from services.generation.models import OPEN, UNSUCCESSFUL, Job, JobState, Order
from services.generation.repository import JobRepository, TurnRepository

SEEDS = 2**32
"""Seeds that the service chooses: few enough for a person to note down, and exact in every JSON reader."""
CANCELLED = "cancelled"
ENDED_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for; without a seed one is chosen."""

    prompt: str
    negative_prompt: str
    seed: int | None
    width: int
    height: int
    count: int
    style: Style

    def order(self) -> Order:
        """Return what is to be drawn, every choice made."""
        seed = randbelow(SEEDS) if self.seed is None else self.seed
        return Order(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            seed=seed,
            width=self.width,
            height=self.height,
            count=self.count,
            style=self.style,
        )

    def asks_for(self, order: Order) -> bool:
        """Tell whether this is the wish that an order was made from."""
        seed = order.seed if self.seed is None else self.seed
        return self.order().model_copy(update={"seed": seed}) == order


class Jobs:
    """A person's jobs, from the asking to the turn of each."""

    def __init__(
        self,
        jobs: JobRepository,
        turns: TurnRepository,
        work: UnitOfWork,
        suspensions: Suspensions,
        *,
        credits_per_image: int,
        admitted_per_person: int,
        open_per_person: int,
    ) -> None:
        self._jobs, self._turns, self._work, self._suspensions = jobs, turns, work, suspensions
        self._price, self._places = credits_per_image, admitted_per_person
        self._most_open = open_per_person

    async def submit(self, user_id: UUID, wish: Wish, idempotency_key: str | None = None) -> Job:
        """Take a request for images; its credits are reserved next. The same key and wish give the same job.

        Raises:   KeyReused (422): the key came with another wish before.  TooManyJobs (429).  SubjectErased (410).
        Effects:  a job; publishes generation.requested.
        Personal: the prompt, the negative prompt and every choice, as the generation log.
        """
        key = None if idempotency_key is None else sha256(idempotency_key.encode()).hexdigest()
        job = self._new(user_id, wish.order(), idempotency_key=key)
        try:
            await self._work.run(partial(self._request, job), subject=user_id)
        except KeyTaken:
            return await self._earlier(user_id, key or "", wish)
        SUBMITTED.inc()
        return await self._unless_suspended(job)

    async def find(self, user_id: UUID, job_id: UUID) -> Job:
        """Return a person's job. Raises JobNotFound (404): absent or another person's."""
        job = await self._jobs.find(user_id, job_id)
        if job is None:
            raise JobNotFound
        return job

    async def page(self, user_id: UUID, cursor: str | None, limit: int) -> tuple[list[Job], str | None]:
        """Return a page of a person's jobs, newest first, and the cursor of the next one."""
        jobs = await self._jobs.page(user_id, cursor, limit + 1)
        more = len(jobs) > limit
        last = jobs[limit - 1] if more else None
        return jobs[:limit], encode_cursor(last.created_at, last.id) if last else None

    async def cancel(self, user_id: UUID, job_id: UUID) -> Job:
        """End a job that has not ended. Cancelling twice is cancelling once.

        Raises:   JobNotFound (404).  JobFinished (409): it ended before.  SubjectErased (410).
        Effects:  the job is cancelled; publishes generation.failed, so that its credits are released.
        """
        cancelled = await self._work.run(partial(self._cancel, user_id, job_id), subject=user_id)
        if cancelled:
            FINISHED.labels(JobState.CANCELLED).inc()
            return cancelled
        job = await self.find(user_id, job_id)
        if job.state is not JobState.CANCELLED:
            raise JobFinished
        return job

    async def retry(self, user_id: UUID, job_id: UUID) -> Job:
        """Ask again for what a failed, cancelled or declined job was to draw. Once per job.

        Raises:   JobNotFound (404).  JobNotRetryable (409).  TooManyJobs (429).  SubjectErased (410).
        Effects:  a new job, linked with the old one; publishes generation.requested.
        """
        old = await self.find(user_id, job_id)
        if old.state not in UNSUCCESSFUL:
            raise JobNotRetryable
        new = self._new(user_id, old.order, attempt=old.attempt + 1, retry_of=old.id)
        if await self._work.run(partial(self._request_again, old, new), subject=user_id):
            SUBMITTED.inc()
            return await self._unless_suspended(new)
        linked = (await self.find(user_id, job_id)).retried_as
        return await self.find(user_id, linked or job_id)

    async def admit(self, user_id: UUID, job_id: UUID) -> None:
        """Let a job whose credits are reserved wait for its turn, which may be now. Runs in a transaction.

        Of a suspended person it ends instead: who asked for it may have died before they looked again.

        Effects:  the job waits, is queued or is cancelled; publishes generation.queued for what is queued.
        """
        if await self._is_suspended(user_id):
            await self._end(user_id, job_id)
            return
        await self._turns.take(user_id)
        if await self._jobs.move(user_id, job_id, (JobState.REQUESTED,), JobState.WAITING):
            await self._fill_places(user_id)

    async def admit_next(self, user_id: UUID) -> None:
        """Give a place that became free to the job that waited longest. Runs in a transaction.

        Effects:  publishes generation.queued for what is queued; of a suspended person all is being ended.
        """
        if not await self._is_suspended(user_id):
            await self._turns.take(user_id)
            await self._fill_places(user_id)

    async def decline(self, user_id: UUID, job_id: UUID, reason: str) -> None:
        """End a job that there are no credits for. Runs in a transaction."""
        ends = {"reason": reason, "finished_at": now()}
        if await self._jobs.move(user_id, job_id, (JobState.REQUESTED,), JobState.DECLINED, **ends):
            FINISHED.labels(JobState.DECLINED).inc()

    async def end_all(self, user_id: UUID) -> None:
        """End every job of a suspended person that has not ended. May be repeated.

        Raises:   SubjectErased.
        Effects:  the jobs are cancelled, some in a transaction, which the server ends where it takes long; publishes
                  generation.failed for each, so that its credits are released.
        """
        while some := await self._jobs.open_ids(user_id, ENDED_AT_ONCE):
            await self._work.run(partial(self._end, user_id, *some), subject=user_id)

    def _new(self, user_id: UUID, order: Order, **fields: object) -> Job:
        return Job.model_validate(
            {
                "id": new_id(),
                "user_id": user_id,
                "order": order,
                "count": order.count,
                "state": JobState.REQUESTED,
                "credits": order.count * self._price,
                "created_at": now(),
                **fields,
            }
        )

    async def _request(self, job: Job) -> None:
        """Enter a job. Requests at one time may exceed the limit by as many as they are."""
        await self._jobs.insert(job)
        if await self._jobs.count_open(job.user_id, self._most_open + 1) > self._most_open:
            raise TooManyJobs
        await self._work.outbox.add(
            GenerationRequestedV1(user_id=job.user_id, job_id=job.id, credits=job.credits)
        )

    async def _request_again(self, old: Job, new: Job) -> bool:
        if not await self._jobs.link_retry(old.user_id, old.id, new.id):
            return False
        await self._request(new)
        return True

    async def _earlier(self, user_id: UUID, key: str, wish: Wish) -> Job:
        earlier = await self._jobs.find_by_key(user_id, key)
        if earlier is None:
            raise JobNotFound
        if not wish.asks_for(earlier.order):
            raise KeyReused
        return earlier

    async def _unless_suspended(self, job: Job) -> Job:
        """Return a job that was asked for just now, cancelled where its person was suspended meanwhile."""
        if await self._is_suspended(job.user_id):
            return await self.cancel(job.user_id, job.id)
        return job

    async def _is_suspended(self, user_id: UUID) -> bool:
        suspension = await self._suspensions.of(user_id)
        return suspension is not None and suspension.stops

    async def _end(self, user_id: UUID, *job_ids: UUID) -> None:
        for job_id in job_ids:
            if await self._cancel(user_id, job_id):
                FINISHED.labels(JobState.CANCELLED).inc()

    async def _cancel(self, user_id: UUID, job_id: UUID) -> Job | None:
        ends = {"reason": CANCELLED, "finished_at": now()}
        job = await self._jobs.move(user_id, job_id, OPEN, JobState.CANCELLED, **ends)
        if job:
            await self._work.outbox.add(
                GenerationFailedV1(user_id=user_id, job_id=job_id, credits=job.credits, reason=CANCELLED)
            )
        return job

    async def _fill_places(self, user_id: UUID) -> None:
        free = self._places - await self._jobs.count_admitted(user_id, self._places)
        if free > 0:
            queued = await self._jobs.queue_oldest_waiting(user_id, free)
            await self._work.outbox.add(
                *(GenerationQueuedV1(user_id=user_id, job_id=job_id) for job_id in queued)
            )
