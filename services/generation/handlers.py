"""The events that generation consumes; the group of each names it."""

from libs.common.bus.consumes import Once, consumes
from libs.common.events.auth import UserHiddenV1, UserRestoredV1, UserRestrictedV1, UserUnrestrictedV1
from libs.common.events.billing import CreditsDeclinedV1, CreditsReservedV1
from libs.common.events.gallery import ImageDeletedV1, ImageReadyV1
from libs.common.events.generation import GenerationCompletedV1, GenerationFailedV1, GenerationQueuedV1
from libs.common.processes import cores
from services.generation.service import GenerationService

RENDER = "generation.render"
RENDER_AT_ONCE = cores() + 2
"""Jobs in hand: enough that uploads and commits of some never keep the drawing processes waiting."""


@consumes(CreditsReservedV1, group="generation.admit")
async def admit(event: CreditsReservedV1, service: GenerationService) -> None:
    """Queue a job whose credits are there, or let it wait until fewer of the person's jobs are at work.

    Effects:  the job; publishes generation.queued, or, of a suspended person, generation.failed.
    """
    await service.jobs.admit(event.user_id, event.job_id)


@consumes(GenerationCompletedV1, GenerationFailedV1, group="generation.admit-next")
async def admit_next(event: GenerationCompletedV1 | GenerationFailedV1, service: GenerationService) -> None:
    """Queue the job of the person that waited longest.

    Effects:  the job; publishes generation.queued.
    """
    await service.jobs.admit_next(event.user_id)


@consumes(CreditsDeclinedV1, group="generation.decline")
async def decline(event: CreditsDeclinedV1, service: GenerationService) -> None:
    """End a job that there are no credits for."""
    await service.jobs.decline(event.user_id, event.job_id, event.reason)


@consumes(GenerationQueuedV1, group=RENDER, batch=4 * RENDER_AT_ONCE, concurrency=RENDER_AT_ONCE)
async def render(event: GenerationQueuedV1, service: GenerationService, once: Once) -> None:
    """Draw a job's images and end the job.

    Effects:  objects; the job; publishes generation.completed or generation.failed.
    """
    await service.rendering.render(event.user_id, event.job_id, once)


@consumes(ImageReadyV1, ImageDeletedV1, group="generation.mark-delivered", concurrency=8)
async def mark_delivered(
    event: ImageReadyV1 | ImageDeletedV1, service: GenerationService, once: Once
) -> None:
    """Remove the temporary object of an image that the gallery has, or whose person deleted it there.

    Effects:  the object; the job.
    """
    await service.delivery.mark_delivered(event.user_id, event.image_id, once)


@consumes(
    UserHiddenV1, UserRestoredV1, UserRestrictedV1, UserUnrestrictedV1, group="generation.follow-suspensions"
)
async def follow_suspensions(
    event: UserHiddenV1 | UserRestoredV1 | UserRestrictedV1 | UserUnrestrictedV1,
    service: GenerationService,
    once: Once,
) -> None:
    """Keep of whose words nothing is drawn for now, and end what is in hand, its credits given back.

    Effects:  the person's suspension; their jobs; publishes generation.failed for each.
    """
    await service.suspending.follow(event, once)
