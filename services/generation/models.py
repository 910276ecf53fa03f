"""What generation stores: jobs, which are the generation log, and whose turn it is."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from libs.common.document import Document, Index
from libs.common.privacy.annotations import Operational, Personal, SealedAtRest, SubjectId
from services.generation.backends.base import Style

Prompt = Personal("user.content.private")
"""What a person typed to have drawn."""
Choice = Personal("user.content.private")
"""What a person chose beside it; with the prompt it makes the generation log."""


class JobState(StrEnum):
    """Where a job is: requested -> waiting -> queued -> running -> one of the final states."""

    REQUESTED = "requested"
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DECLINED = "declined"

    @property
    def final(self) -> bool:
        """Tell whether nothing follows."""
        return self in FINAL


ADMITTED = (JobState.QUEUED, JobState.RUNNING)
OPEN = (JobState.REQUESTED, JobState.WAITING, *ADMITTED)
UNSUCCESSFUL = (JobState.FAILED, JobState.CANCELLED, JobState.DECLINED)
FINAL = (JobState.COMPLETED, *UNSUCCESSFUL)


class Order(BaseModel):
    """What is to be drawn. Image i of a job is drawn with the seed `seed + i`."""

    model_config = ConfigDict(frozen=True)

    prompt: Annotated[str, Prompt]
    negative_prompt: Annotated[str, Prompt]
    seed: Annotated[int, Choice]
    width: Annotated[int, Choice]
    height: Annotated[int, Choice]
    count: Annotated[int, Choice]
    style: Annotated[Style, Choice]


ERASED = Order(
    prompt="", negative_prompt="", seed=0, width=0, height=0, count=0, style=next(iter(Style))
).model_dump()
"""What an order reads as once its person's key is destroyed."""


class Job(Document):
    """One request for images, from the asking to the end. `count` repeats how many, for those who may not read what.

    `image_ids` are given when the job completes; `rendered` and `delivered` are indexes of images; `attempt`
    counts from 1, and `retry_of` and `retried_as` link one attempt with the next.
    """

    collection: ClassVar[str] = "jobs"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1), ("_id", -1))),
        Index((("user_id", 1), ("state", 1), ("created_at", 1), ("_id", 1))),
        Index(
            (("user_id", 1), ("idempotency_key", 1)),
            unique=True,
            partial={"idempotency_key": {"$type": "string"}},
        ),
        Index((("image_ids", 1),), partial={"state": JobState.COMPLETED.value}),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    order: Annotated[Order, SealedAtRest(ERASED)]
    count: Operational[int]
    state: Operational[JobState]
    reason: Operational[str | None] = None
    credits: Operational[int]
    idempotency_key: Operational[str | None] = None
    backend: Operational[str | None] = None
    attempt: Operational[int] = 1
    retry_of: Operational[UUID | None] = None
    retried_as: Operational[UUID | None] = None
    rendered: Operational[list[int]] = Field(default_factory=list)
    image_ids: Operational[list[UUID]] = Field(default_factory=list)
    delivered: Operational[list[int]] = Field(default_factory=list)
    created_at: Operational[datetime]
    queued_at: Operational[datetime | None] = None
    started_at: Operational[datetime | None] = None
    finished_at: Operational[datetime | None] = None


class Turn(Document):
    """Makes admissions of one person's jobs follow one another: every admission writes this row.

    Two transactions that both counted a free place would otherwise both fill it.
    """

    collection: ClassVar[str] = "turns"

    id: SubjectId = Field(alias="_id")
    taken: Operational[int] = 0
