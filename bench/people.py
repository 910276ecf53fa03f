"""People with much in their accounts, put straight into the stores: the benchmarks measure what comes after."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from minio import Minio
from pydantic import SecretStr
from pymongo import MongoClient

from deploy.local.spawn import RunningStack
from libs.common.clock import new_id, now
from libs.common.document import Document
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import locator
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.vault.keys import DataKeys
from services.auth.session_models import Session
from services.billing.models import Payment
from services.gallery.models import Image, ImageState
from services.generation.backends.base import Style
from services.generation.models import Job, JobState, Order

BUCKET = "pixera-gallery"
BARE = "pixera_bench"
OBJECTS_AN_IMAGE = ("original", "small", "large")
OBJECT = b"\x5a" * 10_000
WRITERS = 8
BATCH = 1_000


def told(env: Mapping[str, str]) -> dict[str, str]:
    """Return a process's settings from the environment that the launcher tells."""
    return {name.removeprefix("PIXERA_").lower(): value for name, value in env.items()}


@dataclass(frozen=True)
class Size:
    """How much somebody has; besides it there is the account itself.

    Args:     original: bytes of an image as it was uploaded.
    """

    images: int = 1_000
    original: int = len(OBJECT)
    jobs: int = 1_000
    payments: int = 50
    sessions: int = 20

    @property
    def rows(self) -> int:
        """Return the rows in all databases, the account included."""
        return 1 + self.images + self.jobs + self.payments + self.sessions


class Stores:
    """The stores of a running stack, by their plain synchronous clients."""

    def __init__(self, stack: RunningStack) -> None:
        self.env = stack.env
        self.mongo: MongoClient[dict[str, Any]] = MongoClient(
            stack.env["PIXERA_MONGO_URI"], uuidRepresentation="standard", tz_aware=True
        )
        self.s3 = Minio(
            urlsplit(stack.env["PIXERA_S3_ENDPOINT"]).netloc,
            stack.env["PIXERA_S3_ACCESS_KEY"],
            stack.env["PIXERA_S3_SECRET_KEY"],
            secure=False,
        )
        self._key = SecretStr(stack.env["PIXERA_PSEUDONYM_KEY"])

    def locator(self, user_id: UUID) -> str:
        """Return where a person's objects lie."""
        return locator(self._key, user_id)

    async def fill(self, user_id: UUID, size: Size, *, objects: bool = True) -> None:
        """Give somebody images (three objects each), jobs, payments and sessions."""
        images = rows_of(user_id, size)
        settings = CommonSettings.model_validate(told(self.env))
        mongo = Mongo.connect(settings, "vault")
        sealing = Sealing(settings, DataKeys(mongo, settings))
        for service, rows in _rows(user_id, size, images):
            if rows:
                database = Mongo(mongo.client, settings.mongo_database_prefix + service, sealing)
                await database.collection(type(rows[0])).insert_many([row.to_mongo() for row in rows])
        await sealing.close()
        await mongo.close()
        if objects:
            await self._put(user_id, images, size)

    def fill_bare(self, user_id: UUID, size: Size) -> None:
        """Give somebody unsealed images in a database of the benchmarks' own, indexed like the real ones."""
        images = self.mongo[BARE][Image.collection]
        for index in Image.indexes:
            images.create_index(list(index.keys))
        images.insert_many([image.to_mongo() for image in rows_of(user_id, size)])

    async def _put(self, user_id: UUID, images: list[Image], size: Size) -> None:
        prefix = self.locator(user_id)
        names = [f"{prefix}/{image.id}/{name}" for image in images for name in OBJECTS_AN_IMAGE]
        with ThreadPoolExecutor(WRITERS) as pool:
            put = partial(_put_one, self.s3, os.urandom(size.original))
            await asyncio.gather(
                *(asyncio.get_running_loop().run_in_executor(pool, put, name) for name in names)
            )


def rows_of(user_id: UUID, size: Size) -> list[Image]:
    """Return the images of somebody, not stored yet."""
    return [_image(user_id, number) for number in range(size.images)]


def _put_one(s3: Minio, original: bytes, name: str) -> None:
    data = original if name.endswith("/original") else OBJECT
    s3.put_object(BUCKET, name, BytesIO(data), len(data), "image/webp")


def _rows(user_id: UUID, size: Size, images: list[Image]) -> Iterable[tuple[str, list[Document]]]:
    yield "gallery", list(images)
    yield "generation", _many(size.jobs, partial(_job, user_id))
    yield "billing", _many(size.payments, partial(_payment, user_id))
    yield "auth", _many(size.sessions, partial(_session, user_id))


def _many(count: int, make: Callable[[], Document]) -> list[Document]:
    return [make() for _ in range(count)]


def _image(user_id: UUID, number: int) -> Image:
    return Image(
        id=new_id(),
        user_id=user_id,
        state=ImageState.READY,
        source="upload",
        media_type="image/webp",
        size_bytes=len(OBJECT),
        width=640,
        height=480,
        caption=f"leaf {number} of an album that somebody kept with care",
        placeholder="LKO2?U%2Tw=w]~RBVZRi};RPxuwH",
        created_at=now() - timedelta(seconds=number),
    )


def _job(user_id: UUID) -> Job:
    order = Order(
        prompt="a lighthouse above a violet sea at dusk, as somebody dreams it",
        negative_prompt="",
        seed=7,
        width=512,
        height=512,
        count=1,
        style=next(iter(Style)),
    )
    return Job(
        id=new_id(),
        user_id=user_id,
        order=order,
        count=1,
        state=JobState.COMPLETED,
        credits=1,
        created_at=now(),
    )


def _payment(user_id: UUID) -> Payment:
    return Payment(user_id=user_id, package="starter", credits=100, amount_minor=500, currency="EUR")


def _session(user_id: UUID) -> Session:
    return Session(
        id=new_id(),
        user_id=user_id,
        ip="127.0.0.1",
        user_agent="BenchBrowser/1.0",
        created_at=now(),
        last_used_at=now(),
        expires_at=now() + timedelta(days=30),
    )
