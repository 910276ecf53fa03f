"""What fresh servers need before services start: a replica set, buckets, topics.

Each chore is safe to do again, and runs in a child forked from the warm parent, so that the launcher itself
never imports a database driver.
"""

import asyncio
import importlib.util
import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.local.children import enter

PATIENCE = 120  # seconds for a server that listens to become usable
PAUSE = 0.1
ALREADY_INITIALIZED = 23  # MongoDB's error code
NOT_YET_INITIALIZED = 94


def run(chore: str, log: Path, *arguments: Any) -> None:
    """Do one chore in this forked process; an exception ends it with code 1 and is in the log."""
    enter(f"chore {chore}", log, {})
    CHORES[chore](*arguments)


def initiate_replica_set(port: int, replica_set: str, name: str = "127.0.0.1") -> None:
    """Effects: this mongod is the primary of its replica set, under the name and port it has now."""
    from pymongo import MongoClient  # noqa: PLC0415  imported by the warm parent
    from pymongo.errors import OperationFailure  # noqa: PLC0415

    host = f"{name}:{port}"
    members = [{"_id": 0, "host": host}]
    client: MongoClient[dict[str, Any]] = MongoClient(host, directConnection=True, timeoutMS=PATIENCE * 1_000)
    with client:
        try:
            config = client.admin.command("replSetGetConfig")["config"]
            if config["members"][0]["host"] != host:  # the same data under another port
                config |= {"members": members, "version": config["version"] + 1}
                client.admin.command("replSetReconfig", config, force=True)
        except OperationFailure as error:
            if error.code != NOT_YET_INITIALIZED:
                raise
            client.admin.command("replSetInitiate", {"_id": replica_set, "members": members})
        _until(lambda: client.admin.command("hello")["isWritablePrimary"], "mongod to become primary")


def make_buckets(endpoint: str, access_key: str, secret_key: str, buckets: tuple[str, ...]) -> None:
    """Effects: every bucket exists and takes a PUT: the port alone proves nothing.

    Versions are not kept: names are never used twice (ADR 0016).
    """
    import urllib3  # noqa: PLC0415  imported by the warm parent
    from minio import Minio  # noqa: PLC0415

    url = urlsplit(endpoint)
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=20), retries=False)
    client = Minio(url.netloc, access_key, secret_key, secure=url.scheme == "https", http_client=pool)
    for bucket in buckets:
        _until(partial(_exists, client, bucket), f"bucket {bucket}")
        _until(partial(_takes_put, client, bucket), f"{bucket} to take an object")


def _exists(client: Any, bucket: str) -> bool:
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)
    return True


def _takes_put(client: Any, bucket: str) -> bool:
    client.put_object(bucket, ".probe", io.BytesIO(b"."), 1)
    client.remove_object(bucket, ".probe")
    return True


def make_topics(bootstrap: str) -> None:
    """Effects: Kafka answers, and has every topic that the event registry declares."""
    asyncio.run(_make_topics(bootstrap))


async def _make_topics(bootstrap: str) -> None:
    await _kafka_answers(bootstrap)
    if importlib.util.find_spec("libs.common.bus.topics") is None:
        print("libs.common.bus.topics does not exist: no topics made")
        return
    topics = importlib.import_module("libs.common.bus.topics")
    await topics.ensure_topics(bootstrap)


async def _kafka_answers(bootstrap: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415  imported by the warm parent
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    deadline = time.monotonic() + PATIENCE
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            await admin.start()
        except KafkaError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(PAUSE)
        else:
            return
        finally:
            await admin.close()


def _until(done: Callable[[], bool], what: str) -> None:
    """Raises: TimeoutError: not within PATIENCE; the last error is its cause."""
    deadline = time.monotonic() + PATIENCE
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if done():
                return
        except Exception as error:  # noqa: BLE001  a server that is still starting refuses in many ways
            last = error
        time.sleep(PAUSE)
    raise TimeoutError(f"waited {PATIENCE} s for {what}") from last


CHORES: dict[str, Callable[..., None]] = {
    "replica-set": initiate_replica_set,
    "buckets": make_buckets,
    "topics": make_topics,
}
