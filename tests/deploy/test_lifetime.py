"""What the launcher starts lives exactly as long as it should: no shorter, and never longer than the launcher."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from minio import Minio
from pymongo import MongoClient

from deploy.local import guard
from deploy.local.home import ROOT
from deploy.local.spawn import RunningStack, started

pytestmark = pytest.mark.slow


def mark_of(stack: RunningStack) -> str:
    """What every process of this stack carries in its environment."""
    return psutil.Process(stack.processes()["desk"]["pid"]).environ()[guard.MARK]


def eventually(holds: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def objects(stack: RunningStack) -> Minio:
    keys = stack.env["PIXERA_S3_ACCESS_KEY"], stack.env["PIXERA_S3_SECRET_KEY"]
    return Minio(urlsplit(stack.env["PIXERA_S3_ENDPOINT"]).netloc, *keys, secure=False)


def was_restarted(stack: RunningStack, name: str) -> bool:
    return stack.processes()[name]["restarts"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_launcher_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "--no-services") as stack:
        mark = mark_of(stack)
        assert len(list(guard.marked(mark))) >= 5
        os.kill(stack.launcher.pid, number)
        code = stack.launcher.wait(30)
        assert code == (-number if number == signal.SIGKILL else 0)
        assert eventually(lambda: not list(guard.marked(mark)), within=5)


def test_child_of_a_child_is_ended_too(tmp_path: Path) -> None:
    with started(tmp_path, "--no-services") as stack:
        mark = mark_of(stack)
        stray = subprocess.Popen(["sleep", "600"], env={guard.MARK: mark}, start_new_session=True)
        stack.launcher.kill()
        assert stray.wait(10) == -signal.SIGKILL


def test_dead_component_is_started_again_with_its_data(tmp_path: Path) -> None:
    with started(tmp_path, "--no-services") as stack:
        uri = stack.env["PIXERA_MONGO_URI"]
        with MongoClient[dict[str, int]](uri) as client:
            client.test.kept.insert_one({"n": 1})
        objects(stack).put_object("pixera-gallery", "kept", io.BytesIO(b"picture"), 7)
        for name in ("mongod", "kafka", "s3", "desk"):
            before = stack.processes()[name]
            stack.kill(name)
            assert eventually(partial(was_restarted, stack, name), within=30), name
            assert stack.processes()[name]["pid"] != before["pid"]
        with MongoClient[dict[str, int]](uri) as client:
            found = client.test.kept.find_one({"n": 1})
        assert found is not None
        assert objects(stack).get_object("pixera-gallery", "kept").data == b"picture"
        said = (tmp_path / "launcher.log").read_text()
    assert "mongod was ended by SIGKILL; starting it again in 0.2 s" in said


def test_second_stack_in_the_same_home_is_refused(bare_stack: RunningStack) -> None:
    home = str(bare_stack.home.root)
    command = [sys.executable, "-m", "deploy.local.launch", "--home", home, "--free-ports"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert f"process {bare_stack.launcher.pid}" in result.stderr
