"""What generation publishes."""

from uuid import UUID

from libs.common.events.base import Code, Event, ObjectName


class GenerationRequestedV1(Event, topic="generation.requested", subject="user_id"):
    """Somebody asked for images; the credits are still to be reserved.

    Consumers: billing.reserve-credits.
    """

    user_id: UUID
    job_id: UUID
    credits: int


class GenerationQueuedV1(Event, topic="generation.queued", subject="job_id"):
    """A job has its credits and its turn: any worker may render it.

    Consumers: generation.render.
    """

    user_id: UUID
    job_id: UUID


class GenerationCompletedV1(Event, topic="generation.completed", subject="user_id"):
    """A job's images are rendered and wait to be fetched.

    Consumers: gallery.import-images, billing.capture-credits, generation.admit-next.
    """

    user_id: UUID
    job_id: UUID
    image_ids: list[UUID]
    object_names: list[ObjectName]
    credits: int


class GenerationFailedV1(Event, topic="generation.failed", subject="user_id"):
    """A job ended without images: failed, or cancelled by its person. Its credits are to be released.

    Consumers: billing.release-credits, generation.admit-next.
    """

    user_id: UUID
    job_id: UUID
    credits: int
    reason: Code
