"""Each kind of fault does what it says, to a real platform, and can be taken back."""

import asyncio
import os
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from io import BytesIO
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from minio import Minio
from minio.error import S3Error
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from deploy.local import guard
from deploy.local.gateway_routes import SERVICES
from deploy.local.ports import HOST
from libs.common.testing.waiting import eventually
from tests.chaos import links, plan
from tests.chaos.model import Fault, Kind
from tests.chaos.rig import LocalRig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE_S = 90.0
SOONER_THAN_A_CHECKPOINT_S = 20.0
"""MongoDB makes one a minute; it may take seconds to say on a busy machine why it ends."""
SERVERS = {"kafka": "kafka", "mongod": "mongo", "s3": "s3", "mail": "smtp", "pay": "pay"}


async def status(url: str, within_s: float = 5.0) -> int | None:
    """The status that an address answers with, if it does in time."""
    async with httpx.AsyncClient(timeout=within_s, trust_env=False) as http:
        try:
            return (await http.get(url)).status_code
        except httpx.TransportError:
            return None


def address(rig: LocalRig, name: str, path: str = "/readyz") -> str:
    return f"http://{HOST}:{rig.ports[name]}{path}"


async def all_ready(rig: LocalRig) -> bool:
    names = [f"{service}-{role}" for service in SERVICES for role in ("api", "worker")]
    return {await status(address(rig, name)) for name in names} == {200}


async def members(rig: LocalRig, group: str) -> int:
    """How many processes share a consumer group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.env["PIXERA_KAFKA_BOOTSTRAP"])
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    return len(answer.groups[0][5])


async def test_no_service_goes_past_the_proxy(chaos_rig: LocalRig) -> None:
    direct = {chaos_rig.ports[port] for port in SERVERS.values()}
    for name, process in chaos_rig.processes().items():
        if name.partition("-")[0] in SERVICES:
            connections = psutil.Process(process.pid).net_connections("tcp")
            reached = {each.raddr.port for each in connections if each.status == psutil.CONN_ESTABLISHED}
            assert reached & {chaos_rig.ports[link] for link in links.NAMES}, name
            assert not reached & direct, name


async def test_every_process_that_is_killed_comes_back(chaos_rig: LocalRig) -> None:
    before = chaos_rig.processes()
    for target in plan.PROCESSES:
        await chaos_rig.inject(Fault(Kind.KILL, target, 0, 0))

    async def back() -> bool:
        after = chaos_rig.processes()
        return all(after[name].restarts > before[name].restarts for name in plan.PROCESSES)

    assert await eventually(back, PATIENCE_S)
    assert await eventually(lambda: all_ready(chaos_rig), PATIENCE_S)
    died = [moment.name for moment in chaos_rig.log if moment.what == "process-died"]
    assert set(plan.PROCESSES) <= set(died)


async def test_process_that_nobody_knows_is_found(chaos_rig: LocalRig) -> None:
    assert await eventually(lambda: _strays(chaos_rig, set()), PATIENCE_S)
    mark = psutil.Process(chaos_rig.processes()["kafka"].pid).environ()[guard.MARK]
    stray = await asyncio.create_subprocess_exec(
        "sleep", "600", env={guard.MARK: mark}, start_new_session=True
    )
    try:
        assert await eventually(lambda: _strays(chaos_rig, {stray.pid}))
    finally:
        stray.kill()
        await stray.wait()


async def _strays(rig: LocalRig, wanted: set[int]) -> bool:
    return rig.strays() == wanted


@pytest.mark.parametrize("target", ["gallery-api", "envoy", "pay"])
async def test_frozen_process_stands_still_and_goes_on(chaos_rig: LocalRig, target: str) -> None:
    where = chaos_rig.gateway + "/healthz" if target == "envoy" else address(chaos_rig, target, "/metrics")
    before = await status(where)
    assert before is not None
    fault = Fault(Kind.FREEZE, target, 0, 2)
    await chaos_rig.inject(fault)
    assert await status(where, within_s=0.7) is None
    await chaos_rig.lift(fault)
    assert await status(where) == before


async def quickest(rig: LocalRig, watched: str) -> float:
    """The quickest of several answers that need the database: on a busy machine some are slow by themselves."""
    took = []
    for _ in range(5):
        started = time.monotonic()
        await status(address(rig, watched))
        took.append(time.monotonic() - started)
    return min(took)


@pytest.mark.parametrize(
    ("link", "watched"), [("billing->mongod", "billing-api"), ("privacy->mongod", "privacy-worker")]
)
async def test_slow_link_delays_each_answer(chaos_rig: LocalRig, link: str, watched: str) -> None:
    fault = Fault(Kind.SLOW, link, 0, 2, {"latency_ms": 400, "jitter_ms": 50, "rate_kb_s": 64})
    assert await quickest(chaos_rig, watched) < 0.35
    await chaos_rig.inject(fault)
    assert await quickest(chaos_rig, watched) > 0.35
    await chaos_rig.lift(fault)
    assert await eventually(lambda: all_ready(chaos_rig), PATIENCE_S)


@pytest.mark.parametrize("how", ["reset", "swallow", "refuse"])
async def test_cut_link_lets_nothing_through(chaos_rig: LocalRig, how: str) -> None:
    database = Fault(Kind.CUT, "generation->mongod", 0, 2, {"how": how})
    gateway = Fault(Kind.CUT, "envoy->auth-api", 0, 2, {"how": how})
    for fault in (database, gateway):
        await chaos_rig.inject(fault)
    terms = f"{chaos_rig.gateway}/api/auth/v1/terms"
    assert await status(address(chaos_rig, "generation-api"), within_s=1) != 200
    assert await status(terms, within_s=1) in {None, 503}
    await chaos_rig.lift_all()
    assert await eventually(lambda: all_ready(chaos_rig), PATIENCE_S)
    assert await status(terms) == 200


async def test_cut_link_to_kafka_takes_the_workers_out(chaos_rig: LocalRig) -> None:
    assert await eventually(lambda: _has(chaos_rig, "gallery.make-thumbnails", 1), PATIENCE_S)
    fault = Fault(Kind.CUT, "gallery->kafka", 0, 20, {"how": "refuse"})
    await chaos_rig.inject(fault)
    assert await eventually(lambda: _has(chaos_rig, "gallery.make-thumbnails", 0), PATIENCE_S)
    assert await members(chaos_rig, "billing.grant-credits") == 1
    await chaos_rig.lift(fault)
    assert await eventually(lambda: _has(chaos_rig, "gallery.make-thumbnails", 1), PATIENCE_S)


async def _has(rig: LocalRig, group: str, count: int) -> bool:
    return await members(rig, group) == count


async def test_clock_jumps_for_one_process_only(chaos_rig: LocalRig) -> None:
    fault = Fault(Kind.CLOCK, "auth-api", 0, 2, {"offset_s": -7200})
    await chaos_rig.inject(fault)
    assert await eventually(lambda: _off(chaos_rig, "auth-api", -7200))
    assert await _off(chaos_rig, "billing-api", 0)
    await chaos_rig.lift(fault)
    assert await eventually(lambda: _off(chaos_rig, "auth-api", 0))


async def _off(rig: LocalRig, name: str, seconds: float) -> bool:
    """Whether a process's clock is off by this much, as the date of its answers says."""
    async with httpx.AsyncClient(trust_env=False) as http:
        said = (await http.get(address(rig, name, "/metrics"))).headers["date"]
    return abs(parsedate_to_datetime(said).timestamp() - time.time() - seconds) < 30


@pytest.mark.parametrize(
    ("target", "group", "stop"),
    [
        ("generation-worker-2", "generation.render", "SIGTERM"),
        ("gallery-worker-2", "gallery.make-thumbnails", "SIGKILL"),
    ],
)
async def test_worker_joins_and_leaves(chaos_rig: LocalRig, target: str, group: str, stop: str) -> None:
    fault = Fault(Kind.REBALANCE, target, 0, 2, {"stop": stop})
    await chaos_rig.inject(fault)
    assert await eventually(lambda: _has(chaos_rig, group, 2), PATIENCE_S)
    await chaos_rig.lift(fault)
    assert target not in chaos_rig.processes()
    assert await eventually(lambda: _has(chaos_rig, group, 1), PATIENCE_S)


@pytest.mark.parametrize("server", ["mongod", "kafka", "s3"])
async def test_full_disk_takes_no_write_until_there_is_room(chaos_rig: LocalRig, server: str) -> None:
    if not chaos_rig.has_disks:
        pytest.skip("this machine lets nobody mount")
    await _make_topic(chaos_rig.env)
    assert await eventually(lambda: _writes(chaos_rig, server), PATIENCE_S)
    fault = Fault(Kind.FULL_DISK, server, 0, 5)
    await chaos_rig.inject(fault)
    assert await eventually(lambda: _refuses(chaos_rig, server), PATIENCE_S)
    await chaos_rig.lift(fault)
    assert await eventually(lambda: _writes(chaos_rig, server), PATIENCE_S)
    assert await eventually(lambda: all_ready(chaos_rig), PATIENCE_S)


async def test_a_full_disk_is_felt_by_mongod_at_once(chaos_rig: LocalRig) -> None:
    """Its journal is laid out beforehand: by itself it would feel nothing before the next checkpoint."""
    if not chaos_rig.has_disks:
        pytest.skip("this machine lets nobody mount")
    fault = Fault(Kind.FULL_DISK, "mongod", 0, 2)
    assert await eventually(lambda: _writes(chaos_rig, "mongod"), PATIENCE_S)
    before = _deaths(chaos_rig)
    await chaos_rig.inject(fault)
    refused = await _refuses(chaos_rig, "mongod")
    assert refused or await eventually(lambda: _died(chaos_rig, before), SOONER_THAN_A_CHECKPOINT_S)
    await chaos_rig.lift(fault)
    assert await eventually(lambda: _writes(chaos_rig, "mongod"), PATIENCE_S)
    assert await eventually(lambda: all_ready(chaos_rig), PATIENCE_S)


def _deaths(rig: LocalRig) -> int:
    return sum((each.what, each.name) == ("process-died", "mongod") for each in rig.log)


async def _died(rig: LocalRig, before: int) -> bool:
    return _deaths(rig) > before


async def _refuses(rig: LocalRig, server: str) -> bool:
    return not await _writes(rig, server)


async def _writes(rig: LocalRig, server: str) -> bool:
    """Whether a server takes and keeps a megabyte."""
    try:
        await WRITE[server](rig.env)
    except (PyMongoError, KafkaError, S3Error, HTTPError, TimeoutError):
        return False
    return True


async def _to_mongod(env: Mapping[str, str]) -> None:
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(env["PIXERA_MONGO_URI"], timeoutMS=3_000)
    async with client:
        await client.chaos.written.insert_one({"bytes": os.urandom(1_000_000)})


async def _make_topic(env: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=env["PIXERA_KAFKA_BOOTSTRAP"])
    await admin.start()
    await admin.create_topics([NewTopic("chaos.written", num_partitions=1, replication_factor=1)])
    await admin.close()


async def _to_kafka(env: Mapping[str, str]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=env["PIXERA_KAFKA_BOOTSTRAP"], request_timeout_ms=3_000)
    await producer.start()
    try:
        await producer.send_and_wait("chaos.written", os.urandom(900_000))
    finally:
        await producer.stop()


async def _to_s3(env: Mapping[str, str]) -> None:
    keys = env["PIXERA_S3_ACCESS_KEY"], env["PIXERA_S3_SECRET_KEY"]
    client = Minio(
        urlsplit(env["PIXERA_S3_ENDPOINT"]).netloc,
        *keys,
        secure=False,
        http_client=PoolManager(retries=False, timeout=5),
    )
    await asyncio.to_thread(
        client.put_object, "pixera-gallery", uuid4().hex, BytesIO(os.urandom(1_000_000)), 1_000_000
    )


WRITE = {"mongod": _to_mongod, "kafka": _to_kafka, "s3": _to_s3}
