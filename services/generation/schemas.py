"""What generation's API takes and gives."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.generation.backends.base import MAX_SIDE, MIN_SIDE, SIDE_STEP, Style
from services.generation.jobs import Wish
from services.generation.models import Job, JobState
from services.generation.progress import Progress

MOST_IMAGES = 4
LARGEST_SEED = 2**53 - 1 - MOST_IMAGES
"""Beyond 2**53 a JavaScript client would read another seed than was written."""

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIDE_STEP, description="pixels")]


class SubmitJob(BaseModel):
    """What to draw."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt = Field(examples=["a lighthouse above a stormy sea at dusk"])
    negative_prompt: str = Field("", max_length=2000, description="what should not be seen")
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED, description="repeats a picture; chosen if left out")
    width: Side = 512
    height: Side = 512
    count: int = Field(1, ge=1, le=MOST_IMAGES)
    style: Style = Style.LANDSCAPE

    def wish(self) -> Wish:
        """Return it in the domain's words."""
        return Wish(**self.model_dump())


class JobImage(BaseModel):
    """One image of a completed job; it is in the gallery under its id once `delivered`."""

    index: int
    image_id: UUID
    seed: int
    delivered: bool


class JobOut(BaseModel):
    """A job, to its own person."""

    id: UUID
    state: JobState
    reason: str | None = Field(description="a code, for jobs that failed, were cancelled or declined")
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    count: int
    style: Style
    credits: int
    images_done: int
    images: list[JobImage]
    backend: str | None = Field(description="what drew it, and its version")
    attempt: int
    retry_of: UUID | None
    retried_as: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return what its person sees of a job."""
        order = job.order
        images = [
            JobImage(
                index=index, image_id=image_id, seed=order.seed + index, delivered=index in job.delivered
            )
            for index, image_id in enumerate(job.image_ids)
        ]
        return cls(
            **order.model_dump(),
            **job.model_dump(
                include=set(cls.model_fields) - {"images", "images_done"} - set(type(order).model_fields)
            ),
            images=images,
            images_done=len(job.rendered),
        )


class ProgressOut(BaseModel):
    """How far a job is."""

    model_config = ConfigDict(from_attributes=True)

    state: JobState
    reason: str | None
    images_done: int
    count: int
    image_ids: list[UUID]

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Return what its person sees of the progress."""
        return cls.model_validate(progress)
