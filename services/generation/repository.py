"""The only door to generation's collections. Every query names the owner; what does not is maintenance."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple
from uuid import UUID

from libs.common.clock import now
from libs.common.mongo import DuplicateKeyError, Mongo
from libs.common.pagination import after_cursor
from libs.common.privacy.rows import HELD
from services.generation.errors import KeyTaken
from services.generation.models import ADMITTED, OPEN, Job, JobState, Turn

NEWEST_FIRST = (("created_at", -1), ("_id", -1))
OLDEST_FIRST = (("created_at", 1), ("_id", 1))


class Standing(NamedTuple):
    """How far a job is, and which of its images the gallery has: nothing of it that is sealed is opened.

    Args:     held: somebody's reasons keep all that there is of it.
    """

    state: JobState
    delivered: list[int]
    held: bool

    @property
    def keeps_its_images(self) -> bool:
        """Tell whether what was drawn is kept though the job is not at work any more."""
        return self.held or self.state is JobState.COMPLETED

    def wants(self, index: int) -> bool:
        """Tell whether the object of an image is to stay."""
        undelivered = self.state is JobState.COMPLETED and index not in self.delivered
        return self.held or undelivered or not self.state.final


class JobRepository:
    """Jobs, by their owner."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Job)

    async def insert(self, job: Job) -> None:
        """Store a new job. Raises KeyTaken: the person used its Idempotency-Key before."""
        try:
            await self._rows.insert_one(job.to_mongo())
        except DuplicateKeyError as error:
            raise KeyTaken from error

    async def find(self, user_id: UUID, job_id: UUID) -> Job | None:
        """Return a person's job."""
        return _job(await self._rows.find_one({"_id": job_id, "user_id": user_id}))

    async def find_by_key(self, user_id: UUID, key: str) -> Job | None:
        """Return the job that was asked for with an Idempotency-Key."""
        return _job(await self._rows.find_one({"user_id": user_id, "idempotency_key": key}))

    async def page(self, user_id: UUID, cursor: str | None, limit: int) -> list[Job]:
        """Return a person's jobs behind the cursor, newest first."""
        query = {"user_id": user_id, **after_cursor(cursor)}
        return [Job.from_mongo(row) for row in await self._rows.find(query, sort=NEWEST_FIRST, limit=limit)]

    async def move(
        self, user_id: UUID, job_id: UUID, states: Collection[JobState], to: JobState, **fields: Any
    ) -> Job | None:
        """Bring a job from one of the states to another; None where it is in none of them."""
        return _job(
            await self._rows.find_one_and_update(
                {"_id": job_id, "user_id": user_id, "state": {"$in": list(states)}},
                {"$set": {"state": to.value, **fields}},
            )
        )

    async def link_retry(self, user_id: UUID, job_id: UUID, retry_id: UUID) -> bool:
        """Note the next attempt at a job; False where there is one already."""
        query = {"_id": job_id, "user_id": user_id, "retried_as": None}
        return bool(await self._rows.update_one(query, {"$set": {"retried_as": retry_id}}))

    async def count_admitted(self, user_id: UUID, limit: int) -> int:
        """Count a person's queued and running jobs, up to a limit."""
        return await self._count(user_id, ADMITTED, limit)

    async def count_open(self, user_id: UUID, limit: int) -> int:
        """Count a person's jobs that have not ended, up to a limit."""
        return await self._count(user_id, OPEN, limit)

    async def open_ids(self, user_id: UUID, limit: int) -> list[UUID]:
        """Return the ids of a person's jobs that have not ended, up to a limit."""
        query = {"user_id": user_id, "state": {"$in": [state.value for state in OPEN]}}
        return [row["_id"] for row in await self._rows.find(query, limit=limit, projection={"_id": 1})]

    async def queue_oldest_waiting(self, user_id: UUID, limit: int) -> list[UUID]:
        """Queue a person's jobs that have waited longest; return their ids."""
        query = {"user_id": user_id, "state": JobState.WAITING.value}
        rows = await self._rows.find(query, sort=OLDEST_FIRST, limit=limit, projection={"_id": 1})
        ids = [row["_id"] for row in rows]
        if ids:
            change = {"$set": {"state": JobState.QUEUED.value, "queued_at": now()}}
            await self._rows.update_many({**query, "_id": {"$in": ids}}, change)
        return ids

    async def start(self, user_id: UUID, job_id: UUID, backend: str) -> tuple[Job, bool] | None:
        """Begin with a job, or begin again; return it, and whether this is the first time.

        None where it is neither queued nor running.
        """
        states = [state.value for state in ADMITTED]
        row = await self._rows.find_one_and_update(
            {"_id": job_id, "user_id": user_id, "state": {"$in": states}},
            [
                {
                    "$set": {
                        "state": JobState.RUNNING.value,
                        "started_at": {"$ifNull": ["$started_at", now()]},
                        "backend": backend,
                    }
                }
            ],
            before=True,
        )
        return None if row is None else (Job.from_mongo(row), row.get("started_at") is None)

    async def is_running(self, user_id: UUID, job_id: UUID) -> bool:
        """Tell whether a job is still to be rendered."""
        query = {"_id": job_id, "user_id": user_id, "state": JobState.RUNNING.value}
        return await self._rows.find_one(query, projection={"_id": 1}) is not None

    async def note_rendered(self, user_id: UUID, job_id: UUID, index: int) -> bool:
        """Note that an image is there; False where the job is not running any more."""
        query = {"_id": job_id, "user_id": user_id, "state": JobState.RUNNING.value}
        return bool(await self._rows.update_one(query, {"$addToSet": {"rendered": index}}))

    async def find_by_image(self, user_id: UUID, image_id: UUID) -> Job | None:
        """Return the completed job that an image came from."""
        query = {"image_ids": image_id, "user_id": user_id, "state": JobState.COMPLETED.value}
        return _job(await self._rows.find_one(query))

    async def note_delivered(self, user_id: UUID, job_id: UUID, index: int) -> bool:
        """Note that an image has reached the gallery; False where the job is held.

        In one step, so that a hold comes before or after it: what was delivered before is not what it keeps.
        """
        noted = {"$addToSet": {"delivered": index}}
        query = {"_id": job_id, "user_id": user_id}
        if await self._rows.update_one({**query, HELD: None}, noted):
            return True
        await self._rows.update_one(query, noted)
        return False

    async def among(self, job_ids: Iterable[UUID]) -> dict[UUID, Standing]:
        """Return how far the jobs with these ids are, whoever they belong to: for the removal of leftovers only."""
        ids, fields = list(job_ids), {"state": 1, "delivered": 1, HELD: 1}
        rows = await self._rows.find({"_id": {"$in": ids}}, limit=len(ids) or 1, projection=fields)
        return {row["_id"]: Standing(JobState(row["state"]), row["delivered"], HELD in row) for row in rows}

    async def _count(self, user_id: UUID, states: Iterable[JobState], limit: int) -> int:
        query = {"user_id": user_id, "state": {"$in": [state.value for state in states]}}
        return await self._rows.count(query, limit=limit)


class TurnRepository:
    """Whose turn it is."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Turn)

    async def take(self, user_id: UUID) -> None:
        """Make this transaction the only one that admits a person's jobs: another one is repeated after it."""
        await self._rows.update_one({"_id": user_id}, {"$inc": {"taken": 1}}, upsert=True)


def _job(row: dict[str, Any] | None) -> Job | None:
    return None if row is None else Job.from_mongo(row)
