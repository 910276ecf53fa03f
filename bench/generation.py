"""Jobs through the whole queue, against the backend called in a loop on as many cores."""

import asyncio
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from statistics import median

import httpx

from bench.report import Figure, keep
from demo.cast import role
from demo.person import Person
from deploy.local.spawn import RunningStack
from services.generation.backends.base import Spec, Style
from services.generation.backends.procedural import render_spec

PEOPLE = 6
SINGLES = 30
STYLES = tuple(Style)


@dataclass(frozen=True)
class Kind:
    """Jobs of a kind: how many each person submits, how many images a job has, and how large."""

    each: int
    count: int
    side: int

    @property
    def jobs(self) -> int:
        """Return how many jobs there are in all."""
        return PEOPLE * self.each

    @property
    def images(self) -> int:
        """Return how many images there are in all."""
        return self.jobs * self.count


LARGE = Kind(each=2, count=4, side=1024)
SMALL = Kind(each=10, count=1, side=512)


async def run(stack: RunningStack) -> bool:
    """Measure; return whether every bar was reached."""
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
        people = [role(http, f"drawer{number}", photos=0, jobs=0).person for number in range(PEOPLE)]
        for person in people:
            await person.sign_up()
            await person.buy("starter")
        large = await _through_the_queue(people, LARGE)
        starts = [await _submit_to_start(people[0], number) for number in range(SINGLES)]
        small = await _through_the_queue(people, SMALL)
    figures = [await _figure(kind, seconds) for kind, seconds in ((LARGE, large), (SMALL, small))]
    idle = Figure("submit to start, idle worker, p50", median(starts) * 1000, "ms", SINGLES, bar="<= 50")
    return keep("generation", [*figures, idle])


async def _figure(kind: Kind, seconds: float) -> Figure:
    bare = await asyncio.to_thread(_bare, kind)
    what = f"{kind.jobs} jobs of {kind.count} x {kind.side}x{kind.side}, everything on the same cores"
    return Figure(what, kind.images / seconds, "images/s", 1, kind.images / bare, ">= 0.9")


def _order(number: int, kind: Kind) -> dict[str, object]:
    style = STYLES[number % len(STYLES)].value
    return {"seed": number, "width": kind.side, "height": kind.side, "count": kind.count, "style": style}


async def _submit_to_start(person: Person, number: int) -> float:
    job = await person.generate("a small boat", **_order(number, Kind(1, 1, 256)))
    done = await person.finished(job["id"])
    return (_moment(done["started_at"]) - _moment(done["created_at"])).total_seconds()


async def _through_the_queue(people: list[Person], kind: Kind) -> float:
    """Return the seconds from the first submit to the last job's end, by the platform's own clock."""
    submits = [
        person.generate("a small boat", **_order(n, kind)) for n in range(kind.each) for person in people
    ]
    await asyncio.gather(*submits)
    ends = [await person.finished(job) for person in people for job in person.job_ids[-kind.each :]]
    began = min(_moment(job["created_at"]) for job in ends)
    return (max(_moment(job["finished_at"]) for job in ends) - began).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _bare(kind: Kind) -> float:
    """Return the seconds for the same images in a plain process pool."""
    specs = [
        Spec("a small boat", "", n + index, kind.side, kind.side, STYLES[n % len(STYLES)])
        for _ in range(PEOPLE)
        for n in range(kind.each)
        for index in range(kind.count)
    ]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        list(pool.map(render_spec, specs[: os.cpu_count()]))
        began = time.perf_counter()
        list(pool.map(render_spec, specs))
        return time.perf_counter() - began
