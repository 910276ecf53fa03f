"""What is not idle, consistent and serving yet: asked again and again after the last fault is lifted."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

import httpx
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from minio.error import MinioException
from pymongo.errors import PyMongoError
from urllib3.exceptions import HTTPError

from deploy.local.ports import HOST
from tests.chaos import reading
from tests.chaos.history import Record
from tests.chaos.model import Rig
from tests.chaos.plan import SERVICE_PROCESSES
from tests.chaos.truth import GALLERY, GENERATED, SERVICES

OPEN_JOBS = ["requested", "waiting", "queued", "running"]
UNDONE: dict[str, dict[str, Any]] = {
    **{f"{service}.outbox": {} for service in SERVICES},
    "generation.jobs": {"state": {"$in": OPEN_JOBS}},
    "gallery.images": {"state": {"$ne": "ready"}},
    "privacy.cases": {"open": True},
    "billing.payments": {"state": "completed", "credited": False, "retained_until": None},
    "billing.reservations": {"state": "reserved"},
    "pay.deliveries": {"due_at": {"$ne": None}},
}
"""Rows that somebody still has to do something about."""

OPEN = ("/api/auth/v1/terms", "/api/billing/v1/packages", "/api/privacy/v1/policies")
"""What the gateway lets anybody read."""
ANSWERS_WITHIN_S = 2.0

DOWN = (PyMongoError, KafkaError, MinioException, HTTPError, OSError, TimeoutError)


async def unsettled(rig: Rig, history: Record) -> list[str]:
    """Say what is not settled. Never raises for a server that is down: that is not settled either.

    The cheap questions come first, and the others only once those have nothing to say.
    """
    for look in (_rows, _lag, _store, _late, _serves):
        if found := await _answered(look, rig, history):
            return found
    return []


async def _answered(
    look: Callable[[Rig, Record], Awaitable[list[str]]], rig: Rig, history: Record
) -> list[str]:
    try:
        return await look(rig, history)
    except DOWN as error:
        return [f"{look.__name__.strip('_')}: {type(error).__name__}"]


async def _rows(rig: Rig, history: Record) -> list[str]:
    async with reading.databases(rig.env) as client:
        return [line async for line in _counted(client, UNDONE)]


async def _counted(client: Any, queries: dict[str, dict[str, Any]]) -> Any:
    async def count(name: str, query: dict[str, Any]) -> int:
        service, _, collection = name.partition(".")
        return int(await reading.database(client, service)[collection].count_documents(query))

    counts = await asyncio.gather(*(count(*each) for each in queries.items()))
    for name, number in zip(queries, counts, strict=True):
        if number:
            yield f"{name}: {number}"


async def _lag(rig: Rig, history: Record) -> list[str]:
    """Say which groups have not committed all that is in their topics."""
    until = await reading.ends(rig.env)
    groups = sorted({group for found in reading.readers().values() for group in found})
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.env["PIXERA_KAFKA_BOOTSTRAP"])
    await admin.start()
    try:
        committed = await asyncio.gather(*(admin.list_consumer_group_offsets(group) for group in groups))
    finally:
        await admin.close()
    behind = (_behind(group, dict(found), until) for group, found in zip(groups, committed, strict=True))
    return [f"lag of {group}: {number}" for group, number in behind if number]


def _behind(group: str, committed: dict[Any, Any], until: dict[tuple[str, int], int]) -> tuple[str, int]:
    topics = {topic for topic, groups in reading.readers().items() if group in groups}
    done = {(place.topic, place.partition): found.offset for place, found in committed.items()}
    return group, sum(end - max(0, done.get(place, 0)) for place, end in until.items() if place[0] in topics)


async def _store(rig: Rig, history: Record) -> list[str]:
    """Raise while the object store is down: where nobody was erased, nothing else would ask it."""
    await asyncio.to_thread(reading.object_store(rig.env).bucket_exists, GALLERY)
    return []


async def _late(rig: Rig, history: Record) -> list[str]:
    """Say what came back for people of this seed after their erasure, and is not swept yet."""
    async with reading.databases(rig.env) as client:
        known = [UUID(each) for each in history.user_ids]
        gone = [row["_id"] for row in await reading.rows(client, "auth.tombstones", {"_id": {"$in": known}})]
        found = [
            line
            async for line in _counted(
                client, {name: {path: {"$in": gone}} for name, path in reading.holdings().items()}
            )
        ]
    found += await asyncio.to_thread(lambda: list(_objects(rig, gone)))
    return [f"of erased people, {line}" for line in found]


def _objects(rig: Rig, gone: list[UUID]) -> Iterator[str]:
    client = reading.object_store(rig.env)
    for prefix in reading.locators(rig.env, gone).values():
        for bucket in (GALLERY, GENERATED):
            if found := reading.names(client, bucket, prefix):
                yield f"{bucket}: {len(found)}"


async def _serves(rig: Rig, history: Record) -> list[str]:
    """Say what does not serve: where people did nothing, there is nothing that could be undone or late."""
    return await not_serving(rig.gateway, rig.ports)


async def not_serving(gateway: str, ports: Mapping[str, int]) -> list[str]:
    """Say which process is not ready, and where the gateway leads to none."""
    ready = [f"http://{HOST}:{ports[name]}/readyz" for name in SERVICE_PROCESSES]
    names, addresses = [*SERVICE_PROCESSES, *OPEN], [*ready, *(f"{gateway}{path}" for path in OPEN)]
    async with httpx.AsyncClient(timeout=ANSWERS_WITHIN_S, trust_env=False) as http:
        answers = await asyncio.gather(*(_answer(http, address) for address in addresses))
    return [f"{name}: {answer}" for name, answer in zip(names, answers, strict=True) if answer != SERVED]


SERVED = "200"


async def _answer(http: httpx.AsyncClient, address: str) -> str:
    try:
        return str((await http.get(address)).status_code)
    except httpx.TransportError as error:
        return type(error).__name__
