"""From DELETE to VERIFIED, against raw bulk deletes of the same objects and rows in the same stores."""

import asyncio
import time
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import httpx
from minio.deleteobjects import DeleteObject

from bench.memory import Memory
from bench.people import BUCKET, Size, Stores
from bench.report import Figure, keep
from demo.cast import role
from demo.person import Person, eventually
from deploy.local.spawn import RunningStack

PERSON = Size()
LARGE = Size(images=10_000)
OTHERS = 100
OTHERS_WITH_OBJECTS = 5
RUNS = 5
ROWS_BY_SERVICE = {"gallery": "images", "generation": "jobs", "billing": "payments", "auth": "sessions"}
BULK = 1_000
PATIENCE_S = 300.0


async def run(stack: RunningStack) -> bool:
    """Measure; return whether every bar was reached."""
    stores = Stores(stack)
    for number in range(OTHERS):
        await stores.fill(uuid4(), PERSON, objects=number < OTHERS_WITH_OBJECTS)
    ours, raw = [], []
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
        for number in range(RUNS):
            ours.append(await _erased(http, stores, f"leaver{number}", PERSON))
            raw.append(await _raw(stores, PERSON))
        rows, raw_rows = [], []
        for number in range(RUNS):
            rows.append(await _erased(http, stores, f"rowleaver{number}", PERSON, objects=False))
            raw_rows.append(await _raw(stores, PERSON, objects=False))
        with Memory(stack) as memory:
            large = await _erased(http, stores, "largeleaver", LARGE)
    what = f"{PERSON.images:,} images x 3 objects, {PERSON.rows:,} rows, among {OTHERS} others"
    return keep(
        "erasure",
        [
            Figure(f"DELETE to VERIFIED, p50: {what}", median(ours), "s", RUNS, bar="<= 2"),
            Figure("the same by raw bulk deletes", median(ours), "s", RUNS, median(raw), "<= 1.5"),
            Figure("rows alone, with the whole protocol", median(rows), "s", RUNS, median(raw_rows)),
            Figure("10 x the images, in time of one", large, "s", 1, median(ours), "<= 10"),
            Figure("largest process meanwhile, growth", memory.growth_mib, "MiB", 1, bar="<= 100"),
        ],
    )


async def _erased(
    http: httpx.AsyncClient, stores: Stores, name: str, size: Size, *, objects: bool = True
) -> float:
    """Return the seconds from DELETE to VERIFIED for somebody new with this much."""
    person = role(http, name, photos=0, jobs=0).person
    await person.sign_up()
    await stores.fill(UUID(person.user_id), size, objects=objects)
    began = time.perf_counter()
    case = await person.delete_account()
    await eventually("VERIFIED", lambda: _verified(person, case), PATIENCE_S)
    return time.perf_counter() - began


async def _verified(person: Person, case: dict[str, Any]) -> bool:
    answer = await person.http.get(
        f"/api/privacy/v1/cases/{case['case_id']}", headers={"X-Case-Token": case["case_token"]}
    )
    return answer.is_success and answer.json()["state"] == "VERIFIED"


async def _raw(stores: Stores, size: Size, *, objects: bool = True) -> float:
    """Return the seconds that plain bulk deletes of the same take."""
    user_id = uuid4()
    await stores.fill(user_id, size, objects=objects)
    began = time.perf_counter()
    await asyncio.to_thread(_delete, stores, user_id, objects)
    return time.perf_counter() - began


def _delete(stores: Stores, user_id: UUID, objects: bool) -> None:
    if objects:
        _delete_objects(stores, f"{stores.locator(user_id)}/")
    for service, collection in ROWS_BY_SERVICE.items():
        stores.mongo[f"pixera_{service}"][collection].delete_many({"user_id": user_id})


def _delete_objects(stores: Stores, prefix: str) -> None:
    versions = stores.s3.list_objects(BUCKET, prefix, recursive=True, include_version=True)
    doomed = (DeleteObject(version.object_name or "", version.version_id) for version in versions)
    errors = list(stores.s3.remove_objects(BUCKET, doomed))
    if errors:
        raise AssertionError(f"{len(errors)} objects were not deleted")
