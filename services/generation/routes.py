"""The HTTP API of generation."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from libs.common.app import provided
from libs.common.errors import AccountHidden, ProcessingRestricted, SubjectErased, Unauthenticated, problems
from libs.common.identity import CurrentUser, UnrestrictedUser
from libs.common.pagination import CursorParam, InvalidCursor, Limit, Page
from services.generation.errors import (
    JobFinished,
    JobNotFound,
    JobNotRetryable,
    KeyReused,
    TooManyJobs,
    TooManyWatchers,
)
from services.generation.models import Job
from services.generation.schemas import JobOut, ProgressOut, SubmitJob
from services.generation.service import GenerationService

PREFIX = "/api/generation/v1"
RECONNECT_MS = 2_000

router = APIRouter(prefix=PREFIX, tags=["generation"], responses=problems(Unauthenticated, AccountHidden))

Service = Annotated[GenerationService, Depends(provided(GenerationService))]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=8, max_length=200, description="the same key and request give the same job"),
]


@router.post(
    "/jobs",
    status_code=202,
    responses=problems(KeyReused, TooManyJobs, ProcessingRestricted, AccountHidden, SubjectErased),
)
async def submit_job(
    body: SubmitJob,
    user: UnrestrictedUser,
    service: Service,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Ask for images. Each costs credits, which are reserved now and taken when the images are there.

    Raises:   KeyReused: the Idempotency-Key came with another request before.  TooManyJobs: wait until some end.
    Personal: the prompt, the negative prompt and every choice, to their own subject only.
    """
    return _taken(await service.jobs.submit(user.id, body.wish(), idempotency_key), response)


@router.get("/jobs", responses=problems(InvalidCursor))
async def list_jobs(
    user: CurrentUser, service: Service, cursor: CursorParam = None, limit: Limit = 20
) -> Page[JobOut]:
    """Return the signed-in person's jobs, newest first: the generation log."""
    jobs, next_cursor = await service.jobs.page(user.id, cursor, limit)
    return Page(items=[JobOut.of(job) for job in jobs], next_cursor=next_cursor)


@router.get("/jobs/{job_id}", responses=problems(JobNotFound))
async def get_job(job_id: UUID, user: CurrentUser, service: Service) -> JobOut:
    """Return one job.

    Raises:   JobNotFound: absent or another person's; 404 for both.
    """
    return JobOut.of(await service.jobs.find(user.id, job_id))


async def own_job(job_id: UUID, user: CurrentUser, service: Service) -> Job:
    """Find the job before a stream begins: once it has, its status can tell nothing."""
    return await service.jobs.find(user.id, job_id)


async def place(user: CurrentUser, service: Service) -> AsyncIterator[None]:
    """Hold one of the person's places for as long as the stream lasts."""
    with service.progress.place(user.id):
        yield


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses=problems(JobNotFound, TooManyWatchers),
    dependencies=[Depends(place)],
)
async def watch_job(
    job: Annotated[Job, Depends(own_job)], service: Service
) -> AsyncIterator[ServerSentEvent]:
    """Follow a job live: a `progress` event at once and at each change, until the job has ended.

    A stream lasts no longer than an access token, so that nobody watches whose session has ended: connect again.

    Raises:   JobNotFound: absent or another person's; 404 for both.  TooManyWatchers: close another stream.
    """
    async for progress in service.progress.watch(job.user_id, job.id):
        data = ProgressOut.of(progress)
        yield ServerSentEvent(event="progress", data=data, retry=RECONNECT_MS)


@router.post(
    "/jobs/{job_id}/cancel", responses=problems(JobNotFound, JobFinished, AccountHidden, SubjectErased)
)
async def cancel_job(job_id: UUID, user: CurrentUser, service: Service) -> JobOut:
    """Cancel a job that has not ended; its credits are released.

    Raises:   JobFinished: it ended before it could be cancelled.
    """
    return JobOut.of(await service.jobs.cancel(user.id, job_id))


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    responses=problems(
        JobNotFound, JobNotRetryable, TooManyJobs, ProcessingRestricted, AccountHidden, SubjectErased
    ),
)
async def retry_job(job_id: UUID, user: UnrestrictedUser, service: Service, response: Response) -> JobOut:
    """Try a failed, cancelled or declined job again, as a new job. Asking twice gives the same new job.

    Raises:   JobNotRetryable: it still goes on, or has its images.
    """
    return _taken(await service.jobs.retry(user.id, job_id), response)


def _taken(job: Job, response: Response) -> JobOut:
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return JobOut.of(job)
