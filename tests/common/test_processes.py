"""Work in child processes: bounded, replaced when it dies, and gone with its owner."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from libs.common.processes import Busy, ProcessDied, ProcessPool

ROOT = Path(__file__).parents[2]
OWNER = """
import asyncio, os, sys
from libs.common.processes import ProcessPool
from tests.common.test_processes import sleep

async def main():
    pool = ProcessPool(2)
    await asyncio.gather(*(pool.run(os.getpid, timeout_s=5) for _ in range(2)))
    busy = [asyncio.ensure_future(pool.run(sleep, 600.0, timeout_s=600)) for _ in range(2)]
    print("busy", flush=True)
    await asyncio.gather(*busy)

if __name__ == "__main__":
    asyncio.run(main())
"""


TEST_RUN = """
import os
from pathlib import Path
from libs.common.testing.processes import Process, free_port

Process(Path("served.log"), dict(os.environ), free_port(), "starlette.applications:Starlette").launch()
print("busy", flush=True)
input()
"""
STARTING = """
import asyncio, os
from pathlib import Path
from libs.common.processes import ProcessPool

async def main():
    pool = ProcessPool(1, preload=["heavy"])
    asyncio.get_running_loop().call_later(0.05, Path("the-loop-goes-on").touch)
    await pool.run(os.getpid, timeout_s=5)
    await pool.close()

if __name__ == "__main__":
    asyncio.run(main())
"""
HEAVY = """
import time
from pathlib import Path

given_up = time.monotonic() + 20
while not Path("the-loop-goes-on").exists() and time.monotonic() < given_up:
    time.sleep(0.01)
if not Path("the-loop-goes-on").exists():
    Path("the-loop-stood-still").touch()
"""


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def spin() -> None:
    while True:
        pass


def means() -> tuple[list[str], int, str]:
    """Return what a child could tell or take."""
    settings = [name for name in os.environ if name.startswith("PIXERA_")]
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    return settings, space, Path("/proc/self/oom_score_adj").read_text().strip()


def devour() -> int:
    return len(bytearray(3 * 2**30))


def refuse() -> None:
    raise ValueError("no")


async def test_results_and_errors_come_back() -> None:
    pool = ProcessPool(2)
    results = await asyncio.gather(*(pool.run(square, number, timeout_s=10) for number in range(8)))
    assert [result for result, _ in results] == [number * number for number in range(8)]
    assert os.getpid() not in {pid for _, pid in results}
    assert len({pid for _, pid in results}) <= 2
    with pytest.raises(ValueError, match="no"):
        await pool.run(refuse, timeout_s=10)
    await pool.close()


def test_the_loop_goes_on_while_the_first_process_starts(tmp_path: Path) -> None:
    """The fork server imports what is heavy; here it does so until the loop has gone on."""
    for name, source in (("owner.py", STARTING), ("heavy.py", HEAVY)):
        (tmp_path / name).write_text(source)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    subprocess.run([sys.executable, "owner.py"], env=env, cwd=tmp_path, check=True, timeout=90)
    assert (tmp_path / "the-loop-goes-on").exists()
    assert not (tmp_path / "the-loop-stood-still").exists()


async def test_what_kills_its_process_is_named_and_neighbours_live() -> None:
    pool = ProcessPool(2)
    calls = [pool.run(square, number, timeout_s=10) for number in range(4)]
    dead, *alive = await asyncio.gather(pool.run(die, timeout_s=10), *calls, return_exceptions=True)
    assert isinstance(dead, ProcessDied)
    assert [each[0] for each in alive if isinstance(each, tuple)] == [0, 1, 4, 9]
    assert (await pool.run(square, 5, timeout_s=10))[0] == 25
    await pool.close()


async def test_a_call_that_never_ends_is_ended() -> None:
    pool = ProcessPool(1)
    with pytest.raises(ProcessDied):
        await pool.run(spin, timeout_s=0.2)
    with pytest.raises(ProcessDied):
        await pool.run(sleep, 60.0, timeout_s=0.05)
    assert (await pool.run(square, 3, timeout_s=10))[0] == 9
    await pool.close()


async def test_a_child_has_no_secrets_and_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXERA_PSEUDONYM_KEY", "not for children")
    pool = ProcessPool(1)
    assert await pool.run(means, timeout_s=10) == ([], 2 * 2**30, "1000")
    with pytest.raises(MemoryError):
        await pool.run(devour, timeout_s=10)
    assert (await pool.run(square, 5, timeout_s=10))[0] == 25
    await pool.close()


async def test_more_than_may_wait_is_refused() -> None:
    pool = ProcessPool(1, waiting=2)
    calls = [asyncio.ensure_future(pool.run(sleep, 0.2, timeout_s=10)) for _ in range(5)]
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in done] == [float, float, float, float, Busy]
    await pool.close()


@pytest.mark.parametrize(("source", "processes"), [(OWNER, 4), (TEST_RUN, 2)], ids=["pool", "test-run"])
def test_no_process_outlives_an_owner_that_is_killed(tmp_path: Path, source: str, processes: int) -> None:
    """Of a pool there are the owner, the fork server and two children."""
    script = tmp_path / "owner.py"
    script.write_text(source)
    marked = {**os.environ, "PYTHONPATH": str(ROOT), "OWNED_BY_TEST": str(tmp_path)}
    owner = subprocess.Popen(
        [sys.executable, str(script)], env=marked, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"busy\n"
    while len(_alive(tmp_path)) < processes:
        time.sleep(0.05)
    owner.kill()
    owner.wait(10)
    deadline = time.monotonic() + 10
    while left := _alive(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _alive(mark: Path) -> list[int]:
    """Return the processes that have the mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(mark).encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it ended meanwhile
            continue
    return found
