"""A copy of everything: asked, made and taken, against reading the same objects into a ZIP file; and its memory."""

import asyncio
import hashlib
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from bench.memory import Memory
from bench.people import BUCKET, OBJECTS_AN_IMAGE, Size, Stores
from bench.report import Figure, keep
from demo.cast import role
from demo.person import Person, eventually
from deploy.local.spawn import RunningStack

LARGE = Size(images=10_000, original=100_000)
PATIENCE_S = 3_600.0
EXPORTS = "/api/privacy/v1/exports"
MOST_MIB = 300


@dataclass(frozen=True)
class Taken:
    """What became of an export. Args: made_s, taken_s: in seconds, until it was ready, and by its download."""

    made_s: float
    taken_s: float
    size: int
    files: int


async def run(stack: RunningStack) -> bool:
    """Measure; return whether every bar was reached."""
    stores = Stores(stack)
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
        person = role(http, "collector", photos=0, jobs=0).person
        await person.sign_up()
        await stores.fill(UUID(person.user_id), LARGE)
        with Memory(stack, "privacy-api") as memory:
            taken = await _exported(person)
        raw = await asyncio.to_thread(_zipped, stores, f"{stores.locator(UUID(person.user_id))}/")
    objects = LARGE.images * len(OBJECTS_AN_IMAGE)
    what = f"{objects:,} objects, {LARGE.rows:,} rows; an archive of {taken.size / 2**20:,.0f} MiB"
    return keep(
        "export",
        [
            Figure(f"asked to ready: {what}, {taken.files:,} files", taken.made_s, "s", 1),
            Figure("the same objects read one by one into a ZIP file", taken.made_s, "s", 1, raw, "<= 4"),
            Figure("the archive taken through the gateway", taken.taken_s, "s", 1),
            *(
                Figure(f"most memory of {name} (RSS)", held, "MiB", 1, bar=f"<= {MOST_MIB}")
                for name, held in sorted(memory.peaks_mib.items())
            ),
        ],
    )


async def _exported(person: Person) -> Taken:
    """Ask for a copy, wait for it, and take it; its hash is looked at."""
    began = time.perf_counter()
    asked = await person.ask("POST", EXPORTS)
    ready = await eventually("the archive", lambda: _ready(person, asked["export_id"]), PATIENCE_S)
    made_s, began = time.perf_counter() - began, time.perf_counter()
    await person.sign_in()
    digest = hashlib.sha256()
    headers = {"Authorization": f"Bearer {person.token}"}
    async with person.http.stream("GET", f"{EXPORTS}/{asked['export_id']}/archive", headers=headers) as body:
        async for piece in body.raise_for_status().aiter_bytes():
            digest.update(piece)
    if digest.hexdigest() != ready["sha256"]:
        raise AssertionError("the archive is not what it was said to be")
    return Taken(made_s, time.perf_counter() - began, ready["size_bytes"], ready["files"])


async def _ready(person: Person, export_id: str) -> dict[str, Any] | None:
    answer = await person.call("GET", f"{EXPORTS}/{export_id}")
    if answer.status_code == httpx.codes.UNAUTHORIZED:  # the access token is over before the archive is made
        await person.sign_in()
        return None
    export: dict[str, Any] = answer.raise_for_status().json()
    return export if export["state"] == "ready" else None


def _zipped(stores: Stores, prefix: str) -> float:
    """Return the seconds that it takes to read somebody's objects, one after the other, into a ZIP file."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="pixera-bench-") as home:
        with zipfile.ZipFile(Path(home) / "raw.zip", "w") as archive:
            for found in stores.s3.list_objects(BUCKET, prefix, recursive=True):
                answer = stores.s3.get_object(BUCKET, found.object_name or "")
                archive.writestr(found.object_name or "", answer.read())
                answer.release_conn()
        return time.perf_counter() - began
