"""What sealing costs: a caption edited and an upload completed over HTTP, with and without it, in one process."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import httpx
from PIL import Image as Picture

from bench.people import told
from bench.report import Figure, keep
from deploy.local.spawn import RunningStack
from libs.common.sealing import Sealing
from libs.common.testing.serving import serving
from libs.common.testing.tokens import JWKS, bearer
from services.gallery.announcing import Seals
from services.gallery.main import create_app
from services.gallery.models import Image
from services.gallery.service import GalleryService
from services.gallery.settings import GallerySettings

API = "/api/gallery/v1"
EDITS, UPLOADS, ROUNDS = 100, 8, 3
PAGE = 100
WORDS = "a lighthouse above a violet sea at dusk, where somebody was happy once"
Step = Callable[[], Awaitable[float]]


class Unsealed(Seals):
    """The baseline: events go out without what would be sealed."""

    async def details(self, image: Image) -> None:
        """Seal nothing."""

    async def text(self, user_id: UUID, value: Any) -> None:
        """Seal nothing."""


@dataclass
class Gallery:
    """A process of gallery that seals or does not, and somebody who uses it."""

    service: GalleryService
    sealing: Sealing
    person: UUID
    http: httpx.AsyncClient

    def seal(self, on: bool) -> None:
        """Switch sealing on or off."""
        seals = Seals(self.sealing) if on else Unsealed(self.sealing)
        self.service.images._seals = self.service.uploads._seals = seals  # noqa: SLF001 - a benchmark's switch

    async def edit(self, image_id: str) -> float:
        """Change a caption; return the seconds it took."""
        began = time.perf_counter()
        answer = await self.http.patch(f"{API}/images/{image_id}", json={"caption": WORDS})
        answer.raise_for_status()
        return time.perf_counter() - began

    async def upload(self) -> tuple[str, float]:
        """Upload a picture; return the image's id and the seconds that completing it took."""
        file = BytesIO()
        Picture.effect_noise((640, 480), 64).convert("RGB").save(file, "JPEG")
        body = {"media_type": "image/jpeg", "size_bytes": len(file.getvalue()), "caption": WORDS}
        ticket = (await self.http.post(f"{API}/uploads", json=body)).raise_for_status().json()
        async with httpx.AsyncClient() as anybody:
            posted = {"data": ticket["fields"], "files": {"file": ("a.jpg", file.getvalue())}}
            (await anybody.post(ticket["url"], **posted)).raise_for_status()
        began = time.perf_counter()
        done = await self.http.post(f"{API}/uploads/{ticket['upload_id']}/complete")
        return done.raise_for_status().json()["id"], time.perf_counter() - began


@asynccontextmanager
async def gallery(stack: RunningStack) -> AsyncIterator[Gallery]:
    """Run gallery's API in this process, on the stack."""
    settings = told(stack.env) | {"jwks": JWKS, "log_level": "ERROR"}
    app = create_app("api", GallerySettings.model_validate(settings))
    person = uuid4()
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(person), timeout=30) as http,
    ):
        service: GalleryService = app.state.parts.service
        yield Gallery(service, service.images._seals._sealing, person, http)  # noqa: SLF001


async def run(stack: RunningStack) -> bool:
    """Measure; return whether the bars were reached."""
    async with gallery(stack) as house:
        image_id, _ = await house.upload()
        edits: dict[bool, list[float]] = {True: [], False: []}
        uploads: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(ROUNDS):
            for on in (True, False):
                house.seal(on)
                edits[on] += [await house.edit(image_id) for _ in range(EDITS)]
                uploads[on] += [(await house.upload())[1] for _ in range(UPLOADS)]
        one = await _fields(house, 1)
        page = await _fields(house, PAGE)
    return keep(
        "sealing",
        [
            _figure("caption edited (p50)", edits),
            _figure("upload completed (p50)", uploads),
            Figure("one field sealed and opened", one * 1000, "ms", EDITS),
            Figure(f"{PAGE} fields sealed and opened", page * 1000, "ms", EDITS),
        ],
    )


def _figure(what: str, times: dict[bool, list[float]]) -> Figure:
    ours, raw = median(times[True]) * 1000, median(times[False]) * 1000
    return Figure(what, ours, "ms", len(times[True]), raw, "<= 1.3")


async def _fields(house: Gallery, count: int) -> float:
    """Return the seconds to seal so many fields and to open them again, the median of many times."""
    times = []
    for _ in range(EDITS):
        began = time.perf_counter()
        sealed = await house.sealing.seal(house.person, [WORDS] * count)
        await house.sealing.opened(house.person, sealed)
        times.append(time.perf_counter() - began)
    return median(times)
