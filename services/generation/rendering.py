"""The worker's side of a job: draw each image, keep it where the gallery fetches it, end the job exactly once."""

from functools import partial
from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.clock import new_id, now
from libs.common.errors import SubjectErased
from libs.common.events.generation import GenerationCompletedV1, GenerationFailedV1
from libs.common.logging import logger
from libs.common.storage import together
from libs.common.work import UnitOfWork
from services.generation.backends.base import Spec
from services.generation.errors import JobStopped
from services.generation.metrics import FINISHED, QUEUE_SECONDS
from services.generation.models import Job, JobState
from services.generation.objects import JobObjects
from services.generation.renderer import Renderer, RenderFailed
from services.generation.repository import JobRepository

RUNNING = (JobState.RUNNING,)

log = logger("generation.rendering")


class Rendering:
    """Renders queued jobs. The same job rendered twice, even at the same time, gives the same objects."""

    def __init__(
        self, jobs: JobRepository, work: UnitOfWork, objects: JobObjects, renderer: Renderer
    ) -> None:
        self._jobs, self._work = jobs, work
        self._objects, self._renderer = objects, renderer

    async def render(self, user_id: UUID, job_id: UUID, once: Once) -> None:
        """Render a job and end it as completed, or as failed.

        Raises:   SubjectErased: dropped, with nothing left behind but of a job that is completed or held.
                  What storage or database raise: retried.
        Effects:  objects; the job; publishes generation.completed or generation.failed, never both.
        """
        started = await self._jobs.start(user_id, job_id, await self._renderer.backend())
        if started is None:
            await self._remove_unless_kept(user_id, job_id)
            return
        job, first_time = started
        if first_time:
            QUEUE_SECONDS.observe((now() - job.created_at).total_seconds())
        try:
            await self._end(job, once)
        except JobStopped:
            await self._remove_unless_kept(user_id, job_id)
        except SubjectErased:
            await self._remove_unless_kept(user_id, job_id)
            raise

    async def _end(self, job: Job, once: Once) -> None:
        try:
            await self._draw_all(job)
        except RenderFailed as error:
            log.warning("generation.render_failed", job_id=str(job.id), reason=error.reason, exc_info=error)
            ended, state = await once(partial(self._fail, job, error.reason)), JobState.FAILED
            await self._remove_unless_kept(job.user_id, job.id)
        else:
            ended, state = await once(partial(self._complete, job)), JobState.COMPLETED
        if not ended:
            raise JobStopped
        FINISHED.labels(state).inc()

    async def _draw_all(self, job: Job) -> None:
        """Draw what an earlier try has not drawn; the renderer bounds how many at once."""
        missing = [index for index in range(job.count) if index not in job.rendered]
        tell = len(missing) > 1  # the news of the last one is the end of the job
        await together(self._draw(job, index, tell=tell) for index in missing)

    async def _draw(self, job: Job, index: int, *, tell: bool) -> None:
        still_wanted = partial(self._jobs.is_running, job.user_id, job.id)
        picture = await self._renderer.draw(spec_of(job, index), still_wanted)
        await self._objects.keep(job, index, picture)
        if tell and not await self._jobs.note_rendered(job.user_id, job.id, index):
            raise JobStopped

    async def _complete(self, job: Job) -> bool:
        """Complete the job, in the transaction of `once`; False where it was cancelled in the meantime."""
        indexes = list(range(job.count))
        image_ids = [new_id() for _ in indexes]
        ends = {"image_ids": image_ids, "rendered": indexes, "finished_at": now()}
        if not await self._jobs.move(job.user_id, job.id, RUNNING, JobState.COMPLETED, **ends):
            return False
        await self._work.outbox.add(
            GenerationCompletedV1(
                user_id=job.user_id,
                job_id=job.id,
                image_ids=image_ids,
                object_names=self._objects.names(job),
                credits=job.credits,
            )
        )
        return True

    async def _fail(self, job: Job, reason: str) -> bool:
        """Fail the job, in the transaction of `once`; False where it was cancelled in the meantime."""
        ends = {"reason": reason, "finished_at": now()}
        if not await self._jobs.move(job.user_id, job.id, RUNNING, JobState.FAILED, **ends):
            return False
        await self._work.outbox.add(
            GenerationFailedV1(user_id=job.user_id, job_id=job.id, credits=job.credits, reason=reason)
        )
        return True

    async def _remove_unless_kept(self, user_id: UUID, job_id: UUID) -> None:
        """Remove what was drawn for a job that has no use for it; another worker may have completed it.

        What is held stays, and is a leftover once the hold has ended.
        """
        job = (await self._jobs.among([job_id])).get(job_id)
        if job is None or not job.keeps_its_images:
            await self._objects.remove(user_id, job_id)


def spec_of(job: Job, index: int) -> Spec:
    """Return what one image of a job shows: neighbours differ by their seed."""
    order = job.order
    return Spec(
        prompt=order.prompt,
        negative_prompt=order.negative_prompt,
        seed=order.seed + index,
        width=order.width,
        height=order.height,
        style=order.style,
    )
