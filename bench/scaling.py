"""Images a second of one and of two generation workers, in turns on a running platform, and that no job is lost."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import httpx
import psutil

from bench.people import Stores
from bench.remote import WAITS
from bench.report import Figure, keep
from demo.cast import role
from demo.person import Person, eventually
from deploy.local.home import ROOT
from deploy.local.ports import HOST
from deploy.local.serve import WebProcess
from deploy.local.services import told
from deploy.local.spawn import RunningStack
from libs.common.clock import now
from libs.common.testing.processes import free_port
from services.generation.models import Job, JobState

ENV = {"PIXERA_GENERATION_BACKEND": "bench.remote:Remote", "PIXERA_GENERATION_RENDER_PROCESSES": "1"}
"""What the platform is told: a worker has one process that draws, so that two workers are twice as much."""
GROUP = "generation.render"
PEOPLE = 20
ROUNDS = 2
WINDOW_S, SETTLE_S = 8.0, 3.0
STOP_WITHIN_S = 30.0
PER_JOB = 4
ENDED = 'pixera_generation_jobs_total{state="completed"}'


@dataclass(frozen=True)
class Work:
    """Jobs of a kind, more of them than can be done. Args: each: how many a person asks for."""

    what: str
    prompt: str
    side: int
    each: int
    bar: str = ""


WORK = (
    Work("backend that waits, as a remote one does", WAITS, 256, 10, ">= 1.8"),
    Work("built-in backend, which draws on the same cores", "a small boat", 1024, 12),
)


@dataclass(frozen=True)
class Window:
    """What was done in some seconds. Args: idle: cores that nobody used."""

    images_per_s: float
    idle: float


async def run(stack: RunningStack) -> bool:
    """Measure; return whether the bars were reached.

    Raises:   AssertionError: a job was lost or done twice, by the credits taken and the images delivered.
    """
    figures: list[Figure] = []
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
        people = [role(http, f"scaler{number}", photos=0, jobs=0).person for number in range(PEOPLE)]
        had = await asyncio.gather(*(arrive(person) for person in people))
        for work in WORK:
            await asyncio.gather(*(_ask(person, work) for person in people))
            figures += _figures(work, [await _round(stack) for _ in range(ROUNDS)])
            await asyncio.gather(*(_end(person) for person in people))
        await asyncio.gather(*(_each_once(*one) for one in zip(people, had, strict=True)))
    return keep("scaling", figures)


def _figures(work: Work, rounds: list[tuple[Window, Window]]) -> list[Figure]:
    """Return two workers' rate by one's, the ratio being the median of each round's own, and the cores left over."""
    one = median(alone.images_per_s for alone, _ in rounds)
    ratio = median(both.images_per_s / alone.images_per_s for alone, both in rounds)
    idle = [median(window.idle for window in windows) for windows in zip(*rounds, strict=True)]
    return [
        Figure(f"two workers by one: {work.what}", one * ratio, "images/s", ROUNDS, one, work.bar),
        Figure("- cores idle with one", idle[0], "cores", ROUNDS),
        Figure("- cores idle with two", idle[1], "cores", ROUNDS),
    ]


async def _round(stack: RunningStack) -> tuple[Window, Window]:
    alone = await _window(stack)
    async with _second_worker(stack):
        both = await _window(stack)
    return alone, both


async def _window(stack: RunningStack) -> Window:
    """Measure for a while, once the group's members have their partitions."""
    await asyncio.sleep(SETTLE_S)
    began, cpu = now(), psutil.cpu_times()
    await asyncio.sleep(WINDOW_S)
    ended, later = now(), psutil.cpu_times()
    idle = (later.idle + later.iowait - cpu.idle - cpu.iowait) / (ended - began).total_seconds()
    return Window(_images(stack, began, ended) / (ended - began).total_seconds(), idle)


def _images(stack: RunningStack, began: datetime, ended: datetime) -> int:
    """Return how many images the jobs have that completed in between."""
    jobs = Stores(stack).mongo["pixera_generation"][Job.collection]
    found = jobs.find(
        {"state": JobState.COMPLETED.value, "finished_at": {"$gte": began, "$lt": ended}}, {"count": 1}
    )
    return sum(job["count"] for job in found)


@asynccontextmanager
async def _second_worker(stack: RunningStack) -> AsyncIterator[None]:
    """Run a worker that does nothing but render, as a cluster adds them, and end it as a cluster does."""
    port = free_port()
    process = WebProcess("generation-worker-2", "services.generation.main:create_app", port, ("worker",))
    env = told(process, stack.env) | ENV | {"PIXERA_BUS_GROUPS": GROUP}
    command = [sys.executable, "-m", "services", "generation", "worker", "--host", HOST, "--port", str(port)]
    worker = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=os.environ | env)
    try:
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=5) as http:
            await eventually("the second worker's first job", lambda: _at_work(http))
        yield
    finally:
        worker.terminate()
        await asyncio.wait_for(worker.wait(), STOP_WITHIN_S)


async def _at_work(http: httpx.AsyncClient) -> bool:
    """Tell whether a worker has ended a job: what it starts before its first one is no part of its rate."""
    return ENDED in (await http.get("/metrics")).text


async def arrive(person: Person) -> int:
    """Return the credits that somebody new has: given for signing up, a moment later, and bought."""
    await person.sign_up()
    given = await _more_than(person, 0)
    await person.buy("starter")
    return await _more_than(person, given)


async def _more_than(person: Person, before: int) -> int:
    """Return what somebody has, once it is more than that."""

    async def look() -> int | None:
        available = int((await person.balance())["available"])
        return available if available > before else None

    return int(await eventually("more credits", look))


async def _ask(person: Person, work: Work) -> None:
    for number in range(work.each):
        await person.generate(
            work.prompt, seed=number, width=work.side, height=work.side, count=PER_JOB, style="bauhaus"
        )


async def _end(person: Person) -> None:
    """Cancel what was not begun, and wait for the rest."""
    await person.sign_in()  # a token lasts no longer than a benchmark does
    for job_id in person.job_ids:
        await person.call("POST", f"/api/generation/v1/jobs/{job_id}/cancel")
    for job_id in person.job_ids:
        await person.finished(job_id)


async def _each_once(person: Person, had: int) -> None:
    """Hold what was taken and delivered against the jobs that were completed."""
    await person.sign_in()
    jobs = [await person.finished(job_id) for job_id in person.job_ids]
    images = sum(job["count"] for job in jobs if job["state"] == JobState.COMPLETED)

    async def told_once() -> bool:
        balance = await person.balance()
        held = [balance["available"], balance["reserved"], len(await person.images())]
        return held == [had - images, 0, images]

    await eventually(f"{images} images paid and delivered once", told_once)
