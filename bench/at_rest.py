"""What sealing at rest costs: the image list and a generation submitted over HTTP, with and without it, in turns."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import httpx

from bench.people import Size, rows_of, told
from bench.report import Figure, keep
from bench.sealing import WORDS
from deploy.local.spawn import RunningStack
from libs.common.document import Document
from libs.common.mongo import Collection, Mongo
from libs.common.testing.serving import serving
from libs.common.testing.tokens import JWKS, bearer
from services.gallery import main as gallery
from services.gallery.models import Image
from services.gallery.settings import GallerySettings
from services.generation import main as generation
from services.generation.models import Job
from services.generation.settings import GenerationSettings

IMAGES, PAGES, SUBMITS, ROUNDS = 200, 100, 40, 5
PLENTY = 10_000
LISTS = "/api/gallery/v1/images?limit=20"
JOBS = "/api/generation/v1/jobs"
BAR = "<= 1.3"
QUIET = {"jwks": JWKS, "log_level": "ERROR"}
Step = Callable[[], Awaitable[None]]


@dataclass
class Switch:
    """A repository whose rows are sealed at rest, or not."""

    repository: Any
    sealed: Collection
    plain: Collection

    @classmethod
    def of(cls, repository: Any, mongo: Mongo, document: type[Document]) -> "Switch":
        """Take a repository of a running process in hand."""
        return cls(repository, mongo.collection(document), mongo.collection(document.collection))

    def turn(self, on: bool) -> None:
        """Seal, or do not."""
        self.repository._rows = self.sealed if on else self.plain  # noqa: SLF001 - a benchmark's switch


async def run(stack: RunningStack) -> bool:
    """Measure; return whether the bars were reached."""
    return keep("at-rest", [await _image_list(stack), await _submit(stack)])


async def _image_list(stack: RunningStack) -> Figure:
    settings = GallerySettings.model_validate(told(stack.env) | QUIET)
    app = gallery.create_app("api", settings)
    people = {True: uuid4(), False: uuid4()}
    async with serving(app) as url:
        switch = Switch.of(app.state.parts.service.images._images, app.state.mongo, Image)  # noqa: SLF001
        for on, person in people.items():
            rows = (switch.sealed, switch.plain)[not on]
            await rows.insert_many([image.to_mongo() for image in rows_of(person, Size(images=IMAGES))])
        async with _everybody(url, people) as clients:
            steps = {on: partial(_fetch, clients[on]) for on in people}
            return _figure("page of 20 images listed (p50)", await _in_turns(switch, steps, PAGES))


async def _submit(stack: RunningStack) -> Figure:
    limits = {**QUIET, "generation_open_per_person": PLENTY}
    app = generation.create_app("api", GenerationSettings.model_validate(told(stack.env) | limits))
    people = {True: uuid4(), False: uuid4()}
    async with serving(app) as url, _everybody(url, people) as clients:
        switch = Switch.of(app.state.parts.service.jobs._jobs, app.state.mongo, Job)  # noqa: SLF001
        steps = {on: partial(_ask, clients[on]) for on in people}
        return _figure("generation submitted (p50)", await _in_turns(switch, steps, SUBMITS))


async def _in_turns(switch: Switch, steps: Mapping[bool, Step], count: int) -> dict[bool, list[float]]:
    """Do the step so often with sealing and without, a round of each in turn; the first round warms up."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(ROUNDS + 1):
        for on, step in steps.items():
            switch.turn(on)
            taken = [await _timed(step) for _ in range(count)]
            times[on] += taken if number else []
    return times


async def _timed(step: Step) -> float:
    began = time.perf_counter()
    await step()
    return time.perf_counter() - began


async def _fetch(client: httpx.AsyncClient) -> None:
    (await client.get(LISTS)).raise_for_status()


async def _ask(client: httpx.AsyncClient) -> None:
    (await client.post(JOBS, json={"prompt": WORDS, "width": 256, "height": 256})).raise_for_status()


@asynccontextmanager
async def _everybody(url: str, people: dict[bool, UUID]) -> AsyncIterator[dict[bool, httpx.AsyncClient]]:
    clients = {
        on: httpx.AsyncClient(base_url=url, headers=bearer(person), timeout=30)
        for on, person in people.items()
    }
    yield clients
    for client in clients.values():
        await client.aclose()


def _figure(what: str, times: dict[bool, list[float]]) -> Figure:
    ours, raw = median(times[True]) * 1000, median(times[False]) * 1000
    return Figure(what, ours, "ms", len(times[True]), raw, BAR)
