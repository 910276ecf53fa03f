"""What one person's 500 waiting jobs cost another who asks for one image."""

import asyncio
import time
from statistics import median

import httpx

from bench.remote import WAITS
from bench.report import Figure, keep
from bench.scaling import arrive
from demo.cast import role
from demo.person import Person
from deploy.local.spawn import RunningStack

MANY = 500
AT_ONCE = 10
PURCHASES = 5
SINGLES = 10


async def run(stack: RunningStack) -> bool:
    """Measure; there is no bar: how long an image takes is the backend's, and what comes on top is shown.

    Raises:   AssertionError: the 500 were not waiting any more when the last one was done.
    """
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
        greedy, modest = (role(http, name, photos=0, jobs=0).person for name in ("greedy", "modest"))
        await asyncio.gather(arrive(modest), arrive(greedy))
        for _ in range(PURCHASES):
            await greedy.buy("starter")
        await _seconds(modest)  # the backend's process has started
        alone = [await _seconds(modest) for _ in range(SINGLES)]
        await _fill(greedy)
        beside = [await _seconds(modest) for _ in range(SINGLES)]
        last = await greedy.ask("GET", f"/api/generation/v1/jobs/{greedy.job_ids[-1]}")
        if last["state"] != "waiting":
            raise AssertionError(f"nobody had to wait for anything: {last['state']}")
    what = f"one image, asked for beside another person's {MANY} jobs, p50"
    return keep("fairness", [Figure(what, median(beside), "s", SINGLES, median(alone))])


async def _fill(person: Person) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def ask() -> None:
        async with places:
            await person.generate(WAITS, width=256, height=256, count=1, style="bauhaus")

    await asyncio.gather(*(ask() for _ in range(MANY)))


async def _seconds(person: Person) -> float:
    began = time.perf_counter()
    job = await person.generate(WAITS, width=256, height=256, count=1, style="bauhaus")
    await person.finished(job["id"])
    return time.perf_counter() - began
