"""`pixera status` of a whole platform, and of one that is not there."""

import json
import os
import signal
from pathlib import Path

import pytest

from deploy.local.spawn import RunningStack
from libs.common.testing.waiting import eventually
from tests.cli.conftest import Ran, pixera

pytestmark = pytest.mark.slow


async def test_a_platform_that_is_well_and_one_whose_worker_hangs(platform: RunningStack) -> None:
    home = {"PIXERA_HOME": str(platform.home.root)}

    async def ends(code: int) -> Ran | None:
        ran = await pixera("status", "--json", **home)
        return ran if ran.code == code else None

    well = await eventually(lambda: ends(0), within_s=90)
    assert well is not None
    told = json.loads(well.out)
    assert (told["well"], told["findings"]) == (True, [])
    assert {name: len(status["groups"]) > 0 for name, status in told["services"].items()} == dict.fromkeys(
        ("auth", "gallery", "generation", "billing", "privacy"), True
    )
    assert all(status["relay"] for status in told["services"].values())
    assert told["erasures"]["open"] == 0
    shown = await pixera("status", "--groups", **home)
    assert "gallery.make-thumbnails" in shown.out

    worker = platform.processes()["gallery-worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        ill = await pixera("status", "--json", **home)
        assert ill.code == 1, ill.out
        assert "gallery-worker" in [finding["where"] for finding in json.loads(ill.out)["findings"]]
    finally:
        os.kill(worker, signal.SIGCONT)


async def test_without_a_staff_account_it_tells_what_answers_and_that_this_is_not_all(
    platform: RunningStack, tmp_path: Path
) -> None:
    ran = await pixera("status", "--json", PIXERA_HOME=str(tmp_path), PIXERA_URL=platform.gateway)
    assert ran.code == 2, ran.out
    told = json.loads(ran.out)
    assert told["services"] == {}
    assert all(probe["ready"] for probe in told["probes"].values())
    assert "PIXERA_STAFF_PASSWORD" in told["untold"]["staff"]


async def test_a_platform_that_is_not_there(tmp_path: Path) -> None:
    down = await pixera("status", "--json", PIXERA_HOME=str(tmp_path), PIXERA_URL="http://127.0.0.1:9")
    assert down.code == 1
    gateway = json.loads(down.out)["probes"]["gateway"]
    assert (gateway["ready"], gateway["failing"]) == (False, ["no answer (ConnectError)"])
