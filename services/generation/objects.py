"""Where images wait until the gallery has them: under server-made names that say nothing of anyone."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from pydantic import SecretStr

from libs.common.privacy.holdings import locator
from libs.common.privacy.removals import Removals
from libs.common.privacy.writes import Writes
from libs.common.storage import Storage
from services.generation.backends.base import Rendered
from services.generation.models import Job

BUCKET = "pixera-generation"


class JobObjects:
    """The temporary objects of people's jobs: `<locator>/<job>/<index>`.

    Args:     key: the pseudonym key; with it, a person's id leads to the prefix, and nothing leads back.
    """

    def __init__(self, storage: Storage, removals: Removals, writes: Writes, key: SecretStr) -> None:
        self._storage, self._removals, self._writes, self._key = storage, removals, writes, key

    def names(self, job: Job) -> list[str]:
        """Return the names of a job's images."""
        return [self._name(job.user_id, job.id, index) for index in range(job.count)]

    async def keep(self, job: Job, index: int, picture: Rendered) -> None:
        """Store one image. The same image stored again changes nothing that a reader sees.

        Raises:   SubjectErased: nothing is stored.
        """
        name = self._name(job.user_id, job.id, index)
        async with self._writes.under_way(job.user_id):
            await self._storage.put(BUCKET, name, picture.data, picture.media_type)

    async def remove(self, user_id: UUID, job_id: UUID) -> None:
        """Delete all images of a job."""
        await self._removals.delete_prefix(user_id, self._name(user_id, job_id, ""))

    async def remove_image(self, user_id: UUID, job_id: UUID, index: int) -> None:
        """Delete one image of a job."""
        await self._removals.delete(user_id, [self._name(user_id, job_id, index)])

    async def pages(self) -> AsyncIterator[list[str]]:
        """Yield the names of all objects, whoever's, at most a thousand at a time: to look for leftovers."""
        async for page in self._storage.pages(BUCKET, ""):
            yield list(dict.fromkeys(version.name for version in page))

    async def made_at(self, name: str) -> datetime | None:
        """Return when an object was stored; None where it is gone."""
        stat = await self._storage.stat(BUCKET, name)
        return stat.modified if stat else None

    async def remove_leftovers(self, names: list[str]) -> None:
        """Delete objects that nobody waits for."""
        await self._storage.delete(BUCKET, names)

    def _name(self, user_id: UUID, job_id: UUID, index: int | str) -> str:
        return f"{locator(self._key, user_id)}/{job_id}/{index}"


def place_of(name: str) -> tuple[UUID, int] | None:
    """Return the job and the index that an object's name tells; None where it is no name of ours."""
    try:
        _, job_id, index = name.split("/")
        return UUID(job_id), int(index)
    except ValueError:
        return None
