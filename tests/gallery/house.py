"""Gallery as a process on the real stack, people who use it over HTTP, and the photographs they send."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import piexif
from fastapi import FastAPI
from PIL import Image as Picture

from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS, Bus
from libs.common.events.base import Event
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import locator
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.testing.serving import serving
from libs.common.testing.tokens import JWKS, bearer
from libs.common.testing.waiting import eventually
from libs.common.work import UnitOfWork
from services.gallery.main import create_app
from services.gallery.models import Image
from services.gallery.objects import BUCKET, GENERATED
from services.gallery.service import GalleryService
from services.gallery.settings import GallerySettings

API = "/api/gallery/v1"
CAMERA = ("Pentacon", "Six TL")


def photograph(width: int = 640, height: int = 480, kind: str = "JPEG", seed: float = 64.0) -> bytes:
    """Return a picture no other call returns, with a camera, a time and a place in its EXIF."""
    noise = Picture.effect_noise((width // 8, height // 8), seed).resize((width, height))
    picture = Picture.merge(
        "RGB", [noise, noise.rotate(180), noise.transpose(Picture.Transpose.FLIP_TOP_BOTTOM)]
    )
    exif = piexif.dump(
        {
            "0th": {piexif.ImageIFD.Make: CAMERA[0], piexif.ImageIFD.Model: CAMERA[1]},
            "Exif": {piexif.ExifIFD.DateTimeOriginal: "2026:05:04 18:30:00"},
            "GPS": {
                piexif.GPSIFD.GPSLatitudeRef: "N",
                piexif.GPSIFD.GPSLatitude: ((52, 1), (31, 1), (12, 1)),
                piexif.GPSIFD.GPSLongitudeRef: "E",
                piexif.GPSIFD.GPSLongitude: ((13, 1), (24, 1), (18, 1)),
            },
        }
    )
    file = io.BytesIO()
    picture.save(file, kind, quality=90, exif=exif)
    return file.getvalue()


@dataclass
class Person:
    """Somebody who uses gallery over HTTP."""

    id: UUID
    client: httpx.AsyncClient

    async def begin(self, size: int, media_type: str = "image/jpeg", **fields: Any) -> dict[str, Any]:
        """Begin an upload; return the leave to post a file."""
        body = {"media_type": media_type, "size_bytes": size, **fields}
        answer = await self.client.post(f"{API}/uploads", json=body)
        assert answer.status_code == 201, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket

    async def complete(self, upload_id: str) -> httpx.Response:
        return await self.client.post(f"{API}/uploads/{upload_id}/complete")

    async def send(self, data: bytes, media_type: str = "image/jpeg", **fields: Any) -> httpx.Response:
        """Upload a file to the end; return what completing it answered."""
        ticket = await self.begin(len(data), media_type, **fields)
        posted = await post(ticket, data)
        assert posted.status_code == 204, posted.text
        return await self.complete(ticket["upload_id"])

    async def upload(self, data: bytes | None = None, **fields: Any) -> dict[str, Any]:
        """Upload a photograph; return the image."""
        answer = await self.send(photograph() if data is None else data, **fields)
        assert answer.status_code == 201, answer.text
        image: dict[str, Any] = answer.json()
        return image

    async def image(self, image_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"{API}/images/{image_id}")
        assert answer.status_code == 200, answer.text
        image: dict[str, Any] = answer.json()
        return image

    async def ready(self, image_id: str) -> dict[str, Any]:
        """Wait until an image has its thumbnails; return it."""

        async def look() -> dict[str, Any]:
            image = await self.image(image_id)
            return image if image["state"] == "ready" else {}

        return await eventually(look, within_s=60)

    async def list(self, **query: Any) -> dict[str, Any]:
        answer = await self.client.get(f"{API}/images", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def fetch(self, path: str) -> httpx.Response:
        """Follow a redirect to the object store, without the token."""
        answer = await self.client.get(path)
        assert answer.status_code == 307, answer.text
        async with httpx.AsyncClient() as anybody:
            return await anybody.get(answer.headers["location"])


async def post(ticket: dict[str, Any], data: bytes, **changes: str) -> httpx.Response:
    """Post a file straight to the object store, as a browser does."""
    fields = {**ticket["fields"], **changes}
    async with httpx.AsyncClient() as anybody:
        return await anybody.post(ticket["url"], data=fields, files={"file": ("holiday.jpg", data)})


@dataclass
class House:
    """A running gallery, and ways to look behind it."""

    app: FastAPI
    url: str
    settings: GallerySettings
    mongo: Mongo
    storage: Storage
    neighbour: UnitOfWork

    @property
    def service(self) -> GalleryService:
        service: GalleryService = self.app.state.parts.service
        return service

    @property
    def sealing(self) -> Sealing:
        """Return what the process seals and opens with."""
        return self.service.images._seals._sealing

    @property
    def tombstones(self) -> Tombstones:
        return Tombstones(self.mongo)

    def person(self, user_id: UUID | None = None) -> Person:
        """Return somebody whom nobody has seen before."""
        who = user_id or uuid4()
        return Person(who, httpx.AsyncClient(base_url=self.url, headers=bearer(who), timeout=30))

    async def objects(self, user_id: UUID) -> list[str]:
        """Return the names of all of a person's object versions, beneath the person's prefix."""
        prefix = f"{self.prefix(user_id)}/"
        versions = await self.storage.list_versions(BUCKET, prefix)
        return sorted(version.name.removeprefix(prefix) for version in versions)

    def prefix(self, user_id: UUID) -> str:
        """Return what a person's objects lie under."""
        return locator(self.settings.pseudonym_key, user_id)

    async def rows(self, user_id: UUID) -> list[Image]:
        """Return a person's images as they are stored."""
        rows = await self.mongo.collection(Image).find({"user_id": user_id})
        return [Image.from_mongo(row) for row in rows]

    async def say(self, *events: Event) -> None:
        """Publish events of other services, through an outbox and a relay of their own."""
        await self.neighbour.run(lambda: self.neighbour.outbox.add(*events))


@asynccontextmanager
async def open_house(common: CommonSettings) -> AsyncIterator[House]:
    """Run gallery, API and worker, on a database of the caller's own."""
    settings = GallerySettings.model_validate(
        common.model_dump() | {"jwks": JWKS, "gallery_sweep_every_s": 3600.0, "gallery_imaging_processes": 1}
    )
    storage, mongo = Storage(settings), Mongo.connect(settings, "gallery")
    await storage.ensure_buckets(BUCKET, GENERATED)
    async with _neighbour(settings) as neighbour:
        app = create_app("all", settings)
        async with serving(app) as url:
            mongo.seals = app.state.mongo.seals
            yield House(app, url, settings, mongo, storage, neighbour)
    await mongo.close()
    await storage.close()


@asynccontextmanager
async def _neighbour(settings: CommonSettings) -> AsyncIterator[UnitOfWork]:
    mongo = Mongo.connect(settings, "neighbour")
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone])
    work = UnitOfWork(mongo, Outbox(mongo, "neighbour"), Tombstones(mongo))
    bus = Bus(settings, "neighbour", mongo, work, [])
    await bus.start()
    yield work
    await bus.stop()
    await mongo.close()
