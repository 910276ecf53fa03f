"""A process as an image runs it: prepares, serves, says whether it is alive, and ends when it is told to."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress

import httpx
import pytest
from fastapi import FastAPI

from deploy.local.home import ROOT
from deploy.local.ports import HOST, FreePorts
from libs.common.app import create_process
from libs.common.bus.topics import dead_letter_topic
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import Holdings
from libs.common.settings import CommonSettings, Role
from libs.common.testing.kafka import records_of
from libs.common.testing.processes import tied
from libs.common.testing.waiting import eventually

SERVICE = "billing"


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """Start what an image's entry point runs."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", SERVICE, *arguments, cwd=ROOT, preexec_fn=tied()
    )


async def ended(process: asyncio.subprocess.Process) -> int:
    """Return a process's exit code, soon."""
    async with asyncio.timeout(60):
        return await process.wait()


async def test_prepare_makes_collections_and_topics_and_ends(
    settings_env: Mapping[str, str], common_settings: CommonSettings
) -> None:
    assert await ended(await started("prepare")) == 0
    mongo = Mongo.connect(common_settings, SERVICE)
    assert {"outbox", "inbox", "leases", "ledger_entries"} <= set(await mongo.collection_names())
    await mongo.close()
    assert (
        await records_of(common_settings.kafka_bootstrap, dead_letter_topic(f"{SERVICE}.privacy").name) == []
    )
    assert await ended(await started("prepare")) == 0  # and again, where all is there


async def test_a_worker_serves_its_probes_and_ends_on_sigterm(settings_env: Mapping[str, str]) -> None:
    port = FreePorts().take({"worker": 0})["worker"]
    process = await started("worker", "--host", HOST, "--port", str(port))
    try:
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}") as http:

            async def ready() -> bool:
                try:
                    return (await http.get("/readyz")).is_success
                except httpx.TransportError:
                    return False

            await eventually(ready, within_s=60)
            assert (await http.get("/readyz")).json()["Bus.none_halted"]
            assert (await http.get("/healthz")).json()["relay"]
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == -signal.SIGTERM  # by itself: told to hang it would have been 1
    finally:
        with suppress(ProcessLookupError):
            process.kill()


class Stuck:
    """A bus that has work and does not get on."""

    async def live(self) -> dict[str, bool]:
        """Return what a stuck bus says."""
        return {"relay": True, "billing.credits": False}


@pytest.mark.parametrize(("reached", "status"), [(True, 503), (False, 200)])
async def test_who_hangs_is_restarted_unless_it_is_the_database_that_is_away(
    common_settings: CommonSettings, reached: bool, status: int
) -> None:
    app: FastAPI = create_process(
        name=SERVICE,
        role=Role.WORKER,
        settings=common_settings,
        holdings=Holdings(SERVICE),
        routers=[],
        compose=lambda _: pytest.fail("nothing is started"),
    )
    nowhere = common_settings.model_copy(
        update={"mongo_uri": type(common_settings.mongo_uri)("mongodb://127.0.0.1:9")}
    )
    mongo = Mongo.connect(common_settings if reached else nowhere, SERVICE)
    app.state.bus, app.state.mongo = Stuck(), mongo
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://process") as http:
        answer = await http.get("/healthz")
    await mongo.close()
    assert (answer.status_code, answer.json()["billing.credits"]) == (status, False)
