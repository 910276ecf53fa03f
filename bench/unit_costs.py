"""What an upload, a generated image and an erasure cost each server, counted and not estimated."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from uuid import UUID

import httpx

from bench.meters import Meters
from bench.people import Stores
from bench.report import Figure, keep
from bench.scaling import arrive
from demo.cast import Role, role
from demo.person import Person, eventually
from deploy.local.spawn import RunningStack
from services.gallery.models import Image, ImageState
from services.privacy.models import Case
from services.privacy.protocol import Phase

IMAGES, SIDE = 20, 512
PEOPLE, IMAGES_EACH = 4, 10
IDLE_S = 15.0
QUIET_S, PATIENCE_S = 3.0, 300.0
"""For what follows an effect: the inbox's rows, offsets, the tables of the object store."""


async def run(stack: RunningStack) -> bool:
    """Count; there are no bars."""
    meters, rows = Meters(stack), Rows(stack)
    idle = await _idle(meters)
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
        owner = role(http, "counted", photos=IMAGES, jobs=0)
        leavers = [role(http, f"counted{number}", photos=0, jobs=0).person for number in range(2 * PEOPLE)]
        await asyncio.gather(*(arrive(person) for person in (owner.person, *leavers)))
        empty, full = leavers[:PEOPLE], leavers[PEOPLE:]
        await asyncio.gather(*(_draw(person, IMAGES_EACH) for person in (*full, owner.person)))
        await rows.images((PEOPLE + 1) * IMAGES_EACH)
        figures = []
        for what, count, step in (
            ("image uploaded", IMAGES, lambda: _upload(owner, rows)),
            ("image generated", IMAGES, lambda: _drawn(owner.person, rows)),
            ("erasure of an account alone", PEOPLE, lambda: _leave(empty, rows)),
            (f"erasure with {IMAGES_EACH} images", PEOPLE, lambda: _leave(full, rows)),
        ):
            figures += _figures(what, count, await _counted(meters, idle, step))
    return keep("unit-costs", [*_idle_figures(idle), *figures])


class Rows:
    """Waits for rows to be there by a command that is not counted, where a person's asking again would be."""

    def __init__(self, stack: RunningStack) -> None:
        self._mongo = Stores(stack).mongo

    async def images(self, count: int) -> None:
        """Wait until so many images are ready."""
        await self._wait("pixera_gallery", Image.collection, {"state": ImageState.READY.value}, count)

    async def verified(self, case_id: str) -> None:
        """Wait until a case is verified."""
        await self._wait(
            "pixera_privacy", Case.collection, {"_id": UUID(case_id), "phase": Phase.VERIFIED.value}, 1
        )

    async def ready_images(self) -> int:
        """Return how many images are ready."""
        return await self._count("pixera_gallery", Image.collection, {"state": ImageState.READY.value})

    async def _wait(self, database: str, collection: str, query: dict[str, object], count: int) -> None:
        async def there() -> bool:
            return await self._count(database, collection, query) >= count

        await eventually(f"{count} of {collection}", there, PATIENCE_S)

    async def _count(self, database: str, collection: str, query: dict[str, object]) -> int:
        ask = partial(self._mongo[database].command, codec_options=self._mongo.codec_options)
        found = await asyncio.to_thread(ask, "count", collection, query=query)
        return int(found["n"])


async def _idle(meters: Meters) -> dict[str, float]:
    """Return what the platform does in a second when nobody wants anything."""
    await asyncio.sleep(QUIET_S)
    before, began = await asyncio.to_thread(meters.read), time.perf_counter()
    await asyncio.sleep(IDLE_S)
    grown = (await asyncio.to_thread(meters.read)).since(before)
    return {name: count / (time.perf_counter() - began) for name, count in grown.items()}


async def _counted(
    meters: Meters, idle: Mapping[str, float], step: Callable[[], Awaitable[None]]
) -> dict[str, float]:
    """Return what a step came to, less what the platform does by itself in that time."""
    before, began = await asyncio.to_thread(meters.read), time.perf_counter()
    await step()
    await asyncio.sleep(QUIET_S)
    grown: Counter[str] = (await asyncio.to_thread(meters.read)).since(before)
    seconds = time.perf_counter() - began
    return {name: count - idle.get(name, 0.0) * seconds for name, count in grown.items()}


def _figures(what: str, count: int, grown: Mapping[str, float]) -> list[Figure]:
    return [
        Figure(f"{what}: {name}", grown[name] / count, _unit(name), count)
        for name in sorted(grown)
        if abs(grown[name] / count) >= LEAST
    ]


LEAST = 0.05
"""What is done less often than every twentieth time is the platform's own housekeeping."""


def _idle_figures(idle: Mapping[str, float]) -> list[Figure]:
    return [
        Figure(f"idle: {name}", each, f"{_unit(name)}/s", 1)
        for name, each in sorted(idle.items())
        if abs(each) >= LEAST
    ]


def _unit(name: str) -> str:
    if "bytes" in name:
        return "B"
    return "ms" if name.startswith("cpu") else ""


async def _upload(owner: Role, rows: Rows) -> None:
    before = await rows.ready_images()
    for number, photo in enumerate(owner.photos):
        await owner.person.upload(photo, owner.caption(number), owner.file_name(number))
    await rows.images(before + len(owner.photos))


async def _drawn(person: Person, rows: Rows) -> None:
    before = await rows.ready_images()
    await _draw(person, IMAGES)
    await rows.images(before + IMAGES)


async def _draw(person: Person, images: int) -> None:
    for number in range(images):
        await person.generate("a small boat", seed=number, width=SIDE, height=SIDE, count=1, style="aurora")


async def _leave(people: list[Person], rows: Rows) -> None:
    for person in people:
        await rows.verified((await person.delete_account())["case_id"])
