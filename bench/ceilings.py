"""What one MongoDB and one object store do by themselves, with plain clients: what a load is held against."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from uuid import uuid4

from pymongo.write_concern import WriteConcern

from bench.people import BARE, BUCKET, Stores
from bench.report import Figure, keep
from deploy.local.spawn import RunningStack

THREADS = 16
SECONDS = 6.0
OBJECT = b"\x5a" * 100_000


async def run(stack: RunningStack) -> bool:
    """Measure; there are no bars."""
    stores = Stores(stack)
    tries = {
        "MongoDB: transactions of two inserts": lambda: _transaction(stores),
        "MongoDB: finds by key": lambda: _find(stores),
        "S3: PUT of 100 kB": lambda: _put(stores),
    }
    figures = []
    for what, call in tries.items():
        count, seconds = await asyncio.to_thread(_rate, call)
        figures.append(Figure(what, count / seconds, "/s", count))
    return keep("ceilings", figures)


def _rate(call: Callable[[], None]) -> tuple[int, float]:
    """Return how often a call was made by many threads, and in how many seconds."""
    call()
    began = time.perf_counter()

    def again(_: int) -> int:
        count = 0
        while time.perf_counter() < began + SECONDS:
            call()
            count += 1
        return count

    with ThreadPoolExecutor(THREADS) as pool:
        count = sum(pool.map(again, range(THREADS)))
    return count, time.perf_counter() - began


def _transaction(stores: Stores) -> None:
    database = stores.mongo[BARE]
    with (
        stores.mongo.start_session() as session,
        session.start_transaction(write_concern=WriteConcern("majority")),
    ):
        for collection in ("rows", "outbox"):
            database[collection].insert_one({"_id": uuid4(), "body": OBJECT[:500]}, session=session)


def _find(stores: Stores) -> None:
    stores.mongo[BARE]["rows"].find_one({"_id": uuid4()})


def _put(stores: Stores) -> None:
    stores.s3.put_object(BUCKET, f"bench/{uuid4()}", BytesIO(OBJECT), len(OBJECT))
