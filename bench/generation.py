"""Jobs through the whole queue, against the backend called in a loop on as many cores."""

import asyncio
import os
import time
from concurrent.futures import ProcessPoolExecutor
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
JOBS_EACH = 10
SIDE = 512
SINGLES = 30
STYLES = tuple(Style)


async def run(stack: RunningStack) -> bool:
    """Measure; return whether every bar was reached."""
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
        people = [role(http, f"drawer{number}", photos=0, jobs=0).person for number in range(PEOPLE)]
        for person in people:
            await person.sign_up()
            await person.buy("starter")
        starts = [await _submit_to_start(people[0], number) for number in range(SINGLES)]
        queued = await _through_the_queue(people)
    bare = await asyncio.to_thread(_bare)
    jobs = PEOPLE * JOBS_EACH
    return keep(
        "generation",
        [
            Figure(
                f"{jobs} jobs of one {SIDE}x{SIDE} image", jobs / queued, "images/s", 1, jobs / bare, ">= 0.9"
            ),
            Figure("submit to start, idle worker, p50", median(starts) * 1000, "ms", SINGLES, bar="<= 50"),
        ],
    )


def _order(number: int) -> dict[str, object]:
    return {"seed": number, "width": SIDE, "height": SIDE, "style": STYLES[number % len(STYLES)].value}


async def _submit_to_start(person: Person, number: int) -> float:
    job = await person.generate("a small boat", **_order(number) | {"width": 256, "height": 256})
    done = await person.finished(job["id"])
    return (_moment(done["started_at"]) - _moment(done["created_at"])).total_seconds()


async def _through_the_queue(people: list[Person]) -> float:
    """Return the seconds from the first submit to the last job's end, by the platform's own clock."""
    submits = [person.generate("a small boat", **_order(n)) for n in range(JOBS_EACH) for person in people]
    await asyncio.gather(*submits)
    ends = [await person.finished(job) for person in people for job in person.job_ids[-JOBS_EACH:]]
    began = min(_moment(job["created_at"]) for job in ends)
    return (max(_moment(job["finished_at"]) for job in ends) - began).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _bare() -> float:
    """Return the seconds for the same images in a plain process pool."""
    specs = [
        Spec("a small boat", "", n, SIDE, SIDE, STYLES[n % len(STYLES)])
        for _ in range(PEOPLE)
        for n in range(JOBS_EACH)
    ]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        list(pool.map(render_spec, specs[: os.cpu_count()]))
        began = time.perf_counter()
        list(pool.map(render_spec, specs))
        return time.perf_counter() - began
