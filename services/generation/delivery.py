"""What happens to an image's temporary object: removed once the gallery has its copy, or nobody waits for it."""

import asyncio
from datetime import timedelta
from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.clock import now
from libs.common.logging import logger
from services.generation.metrics import LEFTOVERS
from services.generation.objects import JobObjects, place_of
from services.generation.repository import JobRepository, Standing

log = logger("generation.delivery")


class Delivery:
    """Keeps the temporary bucket empty of what has been delivered, or never will be."""

    def __init__(
        self, jobs: JobRepository, objects: JobObjects, *, sweep_every_s: float, leftover_after: timedelta
    ) -> None:
        self._jobs, self._objects = jobs, objects
        self._every_s, self._leftover_after = sweep_every_s, leftover_after

    async def mark_delivered(self, user_id: UUID, image_id: UUID, once: Once) -> None:
        """Let go of an image that the gallery has, or that its person deleted there. Others are passed over.

        Effects:  the job notes the delivery; the object goes, or, of a job that is held, when the hold has ended.
        """
        job = await self._jobs.find_by_image(user_id, image_id)
        if job is None:
            return
        index = job.image_ids.index(image_id)
        if await self._jobs.note_delivered(user_id, job.id, index):
            await self._objects.remove_image(user_id, job.id, index)
        await once(_noted)

    async def sweep_for_ever(self) -> None:
        """Remove leftovers from time to time, for as long as the process lives."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> int:
        """Remove old objects that no job wants: what crashes and late uploads left. Returns how many went.

        An object is kept while its job is open or held, or completed and not delivered, however long that takes.
        """
        removed = sum([await self._remove_leftovers_among(names) async for names in self._objects.pages()])
        if removed:
            LEFTOVERS.inc(removed)
            log.info("generation.leftovers_removed", objects=removed)
        return removed

    async def _remove_leftovers_among(self, names: list[str]) -> int:
        """Remove the leftovers of a page; return how many. Where it fails, the next sweep looks again."""
        try:
            old = [name for name in await self._unwanted(names) if await self._is_old(name)]
            leftovers = await self._unwanted(old)  # looked at again: a job may have been held meanwhile
            await self._objects.remove_leftovers(leftovers)
        except Exception as error:
            log.warning("leftovers.not_removed", objects=len(names), exc_info=error)
            return 0
        return len(leftovers)

    async def _unwanted(self, names: list[str]) -> list[str]:
        """Return the names that no job wants."""
        places = {name: place_of(name) for name in names}
        jobs = await self._jobs.among({place[0] for place in places.values() if place})
        return [name for name, place in places.items() if not _wanted(place, jobs)]

    async def _is_old(self, name: str) -> bool:
        made_at = await self._objects.made_at(name)
        return made_at is None or made_at <= now() - self._leftover_after


def _wanted(place: tuple[UUID, int] | None, jobs: dict[UUID, Standing]) -> bool:
    if place is None or place[0] not in jobs:
        return False
    job_id, index = place
    return jobs[job_id].wants(index)


async def _noted() -> None:
    """The delivery is noted already, before the object went; that it was done is remembered."""
