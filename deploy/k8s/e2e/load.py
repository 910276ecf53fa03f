"""People who use the platform at the same time, count what failed, and look afterwards whether all of it is there."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from demo.cast import role
from demo.person import Person, eventually
from demo.photos import photographs

PEOPLE = 4
GENERATES_EVERY = 12
"""Rounds of a person in which one image is generated: the other work must not starve behind the renderers."""
SIDE = 256
LOOKS_S = 0.5
"""How long somebody looks before the next round: two processors have to start pods beside it."""
ARRIVES_WITHIN_S = 180.0


class Counting(httpx.AsyncClient):
    """A client that counts what it asked, and every answer that is not what a person wanted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.requests = 0
        self.failed: Counter[str] = Counter()

    async def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        """Ask; whoever asked decides what a failure means for them."""
        self.requests += 1
        try:
            answer = await super().request(method, url, **options)
        except httpx.TransportError as error:
            self.failed[f"{method} {type(error).__name__}"] += 1
            raise
        if answer.is_error:
            self.failed[f"{method} {_route(answer)} {answer.status_code}"] += 1
        return answer


@dataclass
class Guest:
    """One person under load: what they were told is done."""

    person: Person
    photo: bytes
    captions: dict[str, str] = field(default_factory=dict)
    rounds: int = 0

    async def arrive(self) -> None:
        """Sign up, and buy what the load will spend."""
        await self.person.sign_up()
        await self.person.buy("creator")

    async def act(self) -> None:
        """One round: upload, rename, look, and now and then generate."""
        self.rounds += 1
        name = f"{self.person.username} {self.rounds:04d}"
        image = await self.person.upload(self.photo, name, f"{self.rounds}.jpg")
        await self.person.edit_caption(image["id"], f"{name}, renamed")
        self.captions[image["id"]] = f"{name}, renamed"
        await self.person.balance()
        await self.person.ask("GET", "/api/gallery/v1/images", params={"limit": 20})
        if self.rounds % GENERATES_EVERY == 0:
            await self.person.generate(name, width=SIDE, height=SIDE)

    async def has_all(self) -> bool:
        """Tell whether all that was acknowledged is there: jobs with their images, and every caption as it is now."""
        ends = [await self.person.finished(job) for job in self.person.job_ids]
        images = {image["id"]: image for image in await self.person.images()}
        captions = {key: images[key]["caption"] for key in self.captions if key in images}
        ready = [image for image in images.values() if image["state"] == "ready"]
        drawn = len([job for job in ends if job["state"] == "completed"])
        return drawn == len(ends) and captions == self.captions and len(ready) == len(captions) + drawn


@dataclass
class Load:
    """Several people at once, until they are told to stop."""

    http: Counting
    guests: list[Guest]

    @classmethod
    async def begun(cls, http: Counting, name: str) -> "Load":
        """Return it once everybody has an account; from then on it counts."""
        photos = photographs(PEOPLE, role(http, name, photos=0, jobs=0).traces, 0)
        people = [role(http, f"{name}{number}", photos=0, jobs=0).person for number in range(PEOPLE)]
        load = cls(http, [Guest(person, photo) for person, photo in zip(people, photos, strict=True)])
        await asyncio.gather(*(guest.arrive() for guest in load.guests))
        http.requests = 0
        http.failed.clear()
        return load

    async def run(self, stop: asyncio.Event) -> None:
        """Act until told to stop; a failure does not end it, it is counted."""
        await asyncio.gather(*(self._keep_on(guest, stop) for guest in self.guests))

    async def all_there(self) -> None:
        """Return once all that was acknowledged is there. Raises: NotInTime: something is not."""
        for guest in self.guests:
            await eventually(f"all that {guest.person.username} did", guest.has_all, ARRIVES_WITHIN_S)

    async def _keep_on(self, guest: Guest, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(httpx.TransportError, AssertionError):
                await guest.act()
            await asyncio.sleep(LOOKS_S)


def _route(answer: httpx.Response) -> str:
    """Return the first parts of a path, without any id."""
    return "/".join(answer.url.path.split("/")[:5])
