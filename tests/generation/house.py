"""Generation as a process on the real stack, and a bank that answers for billing through a real outbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS, Bus
from libs.common.events.base import Event
from libs.common.events.billing import CreditsDeclinedV1, CreditsReservedV1
from libs.common.events.generation import GenerationCompletedV1, GenerationFailedV1
from libs.common.mongo import Mongo
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import locator
from libs.common.privacy.removals import Removals
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.privacy.writes import Writes
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.testing.serving import published, serving
from libs.common.testing.tokens import JWKS, bearer
from libs.common.testing.waiting import eventually
from libs.common.work import UnitOfWork
from services.generation.main import create_app
from services.generation.models import Job
from services.generation.objects import BUCKET, JobObjects
from services.generation.privacy import HOLDINGS, OBJECTS
from services.generation.service import GenerationService
from services.generation.settings import GenerationSettings

API = "/api/generation/v1"
FINAL = {"completed", "failed", "cancelled", "declined"}
PROCEDURAL = "services.generation.backends.procedural:ProceduralBackend"
SLOW = "tests.generation.backends:Slow"
MOODY = "tests.generation.backends:Moody"
GATED = "tests.generation.backends:Gated"


class Bank:
    """Says what billing says, through an outbox and a relay of its own."""

    def __init__(self, settings: CommonSettings) -> None:
        self._mongo = Mongo.connect(settings, "bank")
        tombstones = Tombstones(self._mongo)
        self._work = UnitOfWork(self._mongo, Outbox(self._mongo, "bank"), tombstones)
        self._bus = Bus(settings, "bank", self._mongo, self._work, [])

    async def open(self) -> None:
        await self._mongo.prepare([*BUS_DOCUMENTS, Tombstone])
        await self._bus.start()

    async def close(self) -> None:
        await self._bus.stop()
        await self._mongo.close()

    async def say(self, *events: Event) -> None:
        """Publish events, of whatever service."""
        await self._work.run(lambda: self._work.outbox.add(*events))

    async def reserve(self, user_id: UUID, *jobs: dict[str, Any]) -> None:
        """Say that the credits for jobs are set aside."""
        await self.say(
            *(CreditsReservedV1(user_id=user_id, job_id=job["id"], credits=job["credits"]) for job in jobs)
        )

    async def decline(self, user_id: UUID, job: dict[str, Any]) -> None:
        """Say that there are not enough credits for a job."""
        said = CreditsDeclinedV1(
            user_id=user_id, job_id=job["id"], credits=job["credits"], reason="insufficient-credits"
        )
        await self.say(said)


@dataclass
class Person:
    """Somebody who uses generation over HTTP."""

    id: UUID
    client: httpx.AsyncClient
    bank: Bank

    async def submit(self, prompt: str = "a quiet harbour", **fields: Any) -> dict[str, Any]:
        """Ask for images; return the job."""
        body = {"prompt": prompt, "width": 256, "height": 256, **fields}
        answer = await self.client.post(f"{API}/jobs", json=body)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def start(self, prompt: str = "a quiet harbour", **fields: Any) -> dict[str, Any]:
        """Ask for images, credits there."""
        job = await self.submit(prompt, **fields)
        await self.bank.reserve(self.id, job)
        return job

    async def job(self, job_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"{API}/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def cancel(self, job_id: str) -> httpx.Response:
        return await self.client.post(f"{API}/jobs/{job_id}/cancel")

    async def in_state(self, job_id: str, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of the states; return it."""

        async def look() -> dict[str, Any]:
            job = await self.job(job_id)
            assert job["state"] in states or job["state"] not in FINAL, job
            return job if job["state"] in states else {}

        return await eventually(look, within_s=60)


@dataclass
class House:
    """A running generation, and ways to look behind it."""

    app: FastAPI
    url: str
    settings: GenerationSettings
    bank: Bank
    mongo: Mongo
    storage: Storage

    @property
    def service(self) -> GenerationService:
        service: GenerationService = self.app.state.parts.service
        return service

    @property
    def tombstones(self) -> Tombstones:
        return Tombstones(self.mongo)

    def holder(self) -> Holder:
        """Return a holder of generation's, besides the one that the process has."""
        outbox = Outbox(self.mongo, "generation")
        return Holder(HOLDINGS, self.mongo, self.storage, self.tombstones, outbox, self.settings)

    def objects_of_jobs(self) -> JobObjects:
        """Return the door to generation's objects."""
        removals = Removals(HOLDINGS, OBJECTS, self.mongo, self.storage, self.tombstones)
        return JobObjects(
            self.storage, removals, Writes(self.mongo, self.tombstones), self.settings.pseudonym_key
        )

    def person(self, user_id: UUID | None = None) -> Person:
        """Return somebody whom nobody has seen before."""
        who = user_id or uuid4()
        client = httpx.AsyncClient(base_url=self.url, headers=bearer(who), timeout=20)
        return Person(who, client, self.bank)

    async def objects(self, user_id: UUID) -> list[str]:
        """Return the names of all of a person's object versions."""
        prefix = locator(self.settings.pseudonym_key, user_id)
        return [version.name for version in await self.storage.list_versions(BUCKET, f"{prefix}/")]

    async def stored(self, job_id: str) -> Job | None:
        """Return a job's row."""
        row = await self.mongo.collection(Job).find_one({"_id": UUID(job_id)})
        return Job.from_mongo(row) if row else None

    async def final_events(self, user_id: UUID) -> list[GenerationCompletedV1 | GenerationFailedV1]:
        """Return the events about a person by which jobs ended."""
        bootstrap = self.settings.kafka_bootstrap
        completed = await published(bootstrap, GenerationCompletedV1, user_id)
        return [*completed, *await published(bootstrap, GenerationFailedV1, user_id)]


@asynccontextmanager
async def open_house(common: CommonSettings, backend: str, role: str = "all") -> AsyncIterator[House]:
    """Run generation on a database of the caller's own: API and worker, or the API for workers that come and go."""
    settings = GenerationSettings.model_validate(
        common.model_dump()
        | {
            "jwks": JWKS,
            "generation_backend": backend,
            "generation_render_timeout_s": 1.0,
            "generation_sweep_every_s": 3600.0,
        }
    )
    bank, storage = Bank(settings), Storage(settings)
    await storage.ensure_buckets(BUCKET)
    mongo = Mongo.connect(settings, "generation")
    await bank.open()
    app = create_app(role, settings)
    async with serving(app) as url:
        mongo.seals = app.state.mongo.seals
        yield House(app, url, settings, bank, mongo, storage)
    await bank.close()
    await mongo.close()
    await storage.close()
