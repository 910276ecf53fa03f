"""`python -m deploy.k8s.e2e.player ACT`: what people do, in a pod of the cluster, through the gateway.

Each act prints `ready` where somebody is to do something to the cluster meanwhile, and at its end what it came to, as
`figures {...}`.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from demo.cast import ada, bob, role
from demo.person import FINAL, NotInTime, Person, eventually
from demo.story import PACKAGE, Story
from demo.timeline import Timeline
from deploy.k8s.e2e import delivered
from deploy.k8s.e2e.load import Counting, Load
from services.billing.packages import PACKAGES

Figures = Mapping[str, float]

SIDE = 1024
PATIENCE_S = 30.0
SETTLES_S = 240.0
DRAWERS, JOBS_EACH, IMAGES_EACH = 6, 3, 2


@dataclass
class Drawer:
    """Somebody who waits for images."""

    person: Person
    balance: int = 0

    async def ask(self) -> None:
        """Ask for them, with credits that are enough."""
        await self.person.sign_up()
        await self.person.buy(PACKAGE)
        self.balance = await eventually("all credits, the welcome's too", self._credits)
        for number in range(JOBS_EACH):
            await self.person.generate(f"scene {number}", count=IMAGES_EACH, width=SIDE, height=SIDE)

    async def served(self) -> None:
        """Return once each is in the gallery and was paid for. Raises: NotInTime."""
        await eventually("every image, drawn once and paid for once", self._is_served, SETTLES_S)

    async def _credits(self) -> int:
        """Return them once both have come; 0 before."""
        available: int = (await self.person.balance())["available"]
        return available if available > PACKAGES[PACKAGE].credits else 0

    async def _is_served(self) -> bool:
        ready = [each for each in await self.person.images() if each["state"] == "ready"]
        balance = await self.person.balance()
        spent = self.balance - balance["available"]
        wanted = JOBS_EACH * IMAGES_EACH
        return (len(ready), balance["reserved"], spent) == (wanted, 0, wanted)


def gateway() -> str:
    """Return where people reach the platform."""
    return os.environ["PIXERA_PUBLIC_URL"]


def story() -> Story:
    """Return the story on this platform."""
    folder = Path("/tmp/story")  # noqa: S108 - the pod's own
    folder.mkdir(exist_ok=True)
    return Story(gateway(), os.environ, folder, Timeline())


async def whole_story() -> Figures:
    """The demo, as it is."""
    played = story()
    async with httpx.AsyncClient(base_url=gateway(), timeout=PATIENCE_S) as http:
        await played.play(ada(http), bob(http))
    return {"DELETE to VERIFIED, s": played.took["DELETE to VERIFIED"]}


async def erasure() -> Figures:
    """Somebody leaves; somebody else deletes a pod then."""
    played = story()
    async with httpx.AsyncClient(base_url=gateway(), timeout=PATIENCE_S) as http:
        leaving = role(http, "yorick", photos=8, jobs=2, first=48)
        await played.move_in(leaving)
        await played.seen(leaving)
        case = await played.leave(leaving)
        print("ready", flush=True)
        certificate = await played.follow(leaving, case)
        await played.nothing_left(leaving, certificate)
    return {"DELETE to VERIFIED, a worker deleted, s": played.took["DELETE to VERIFIED"]}


async def load() -> Figures:
    """People act until the input ends."""
    async with Counting(base_url=gateway(), timeout=PATIENCE_S) as http:
        people = await Load.begun(http, "guest")
        stop = asyncio.Event()
        acting = asyncio.create_task(people.run(stop))
        print("ready", flush=True)
        began = time.monotonic()
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
        await acting
        figures: Figures = {
            "seconds under load": round(time.monotonic() - began, 1),
            "requests": http.requests,
            "failed requests": sum(http.failed.values()),
            "acknowledged writes": sum(
                len(guest.captions) * 2 + len(guest.person.job_ids) for guest in people.guests
            ),
        }
        print(f"failed: {dict(http.failed)}", flush=True)
        await people.all_there()
    return {**figures, **await arrived()}


async def jobs() -> Figures:
    """Several people ask for images; they are drawn once somebody draws, and each is paid for once."""
    async with httpx.AsyncClient(base_url=gateway(), timeout=PATIENCE_S) as http:
        names = [f"drawer{os.getpid()}x{number}" for number in range(DRAWERS)]
        drawers = [Drawer(role(http, name, photos=0, jobs=0).person) for name in names]
        await asyncio.gather(*(each.ask() for each in drawers))
        print("ready", flush=True)
        began = time.monotonic()
        await asyncio.gather(*(each.served() for each in drawers))
        took = time.monotonic() - began
    return {"images": DRAWERS * JOBS_EACH * IMAGES_EACH, "until all were drawn, s": round(took, 1)}


async def arrived() -> Figures:
    """Wait until nothing is on its way, and count what did not arrive."""
    client = delivered.connected(os.environ)
    try:

        async def rest() -> bool:
            return not await delivered.waiting(os.environ, client)

        await eventually("rest", rest, SETTLES_S)
        found = await delivered.lost(os.environ, client)
    finally:
        await client.close()
    return {**found, "dead letters": await delivered.dead_letters(os.environ)}


async def open_jobs() -> Figures:
    """Count the jobs that are not at their end."""
    client = delivered.connected(os.environ)
    try:
        jobs = client["pixera_generation"]["jobs"]
        return {"open jobs": await jobs.count_documents({"state": {"$nin": sorted(FINAL)}})}
    finally:
        await client.close()


ACTS: dict[str, Callable[[], Coroutine[None, None, Figures]]] = {
    "story": whole_story,
    "erasure": erasure,
    "load": load,
    "jobs": jobs,
    "open": open_jobs,
    "arrived": arrived,
}


def main() -> int:
    """Play an act; 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m deploy.k8s.e2e.player", description=__doc__)
    parser.add_argument("act", choices=ACTS)
    try:
        figures = asyncio.run(ACTS[parser.parse_args().act]())
    except (AssertionError, NotInTime) as error:
        print(f"it did not hold: {error}")
        return 1
    print("figures", json.dumps(figures), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
