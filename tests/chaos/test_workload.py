"""The people of a seed: drawn alike each time, and on a platform without faults none of their promises is broken."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploy.local.home import Home
from deploy.local.spawn import RunningStack
from tests.chaos.checker import truth_of, unsettled, violations
from tests.chaos.history import Record
from tests.chaos.model import Fault, FaultFailed, Moment, Process
from tests.chaos.workload import WEIGHTS, draw, live

LIFE_S = 150.0
"""Longer than anybody needs, also on a busy machine: the parts end by themselves."""
SETTLES_S = 90.0
SEED = 32


class StillRig:
    """The ordinary platform as a rig that no fault can be put into."""

    def __init__(self, platform: RunningStack) -> None:
        self._platform = platform
        self.log: Sequence[Moment] = ()

    @property
    def gateway(self) -> str:
        return self._platform.gateway

    @property
    def env(self) -> Mapping[str, str]:
        return self._platform.env

    @property
    def home(self) -> Home:
        return self._platform.home

    @property
    def ports(self) -> Mapping[str, int]:
        return self._platform.ports

    async def inject(self, fault: Fault) -> None:
        raise FaultFailed(f"{fault.name}: no fault can be put in here")

    async def lift(self, fault: Fault) -> None: ...

    async def lift_all(self) -> None: ...

    def processes(self) -> Mapping[str, Process]:
        return {name: Process(**told) for name, told in self._platform.processes().items()}


def test_a_seed_draws_the_same_parts_each_time() -> None:
    assert draw(random.Random(SEED)) == draw(random.Random(SEED))
    assert draw(random.Random(SEED)) != draw(random.Random(SEED + 1))


def test_seeds_draw_everything_that_people_do() -> None:
    parts = [part for seed in range(60) for part in draw(random.Random(seed))]
    drawn = Counter(step.what for part in parts for step in part.steps)
    assert drawn.keys() >= WEIGHTS.keys()
    assert 1 / 3 <= drawn["delete-account"] / len(parts) <= 1 / 2


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_life_without_faults_settles_and_breaks_no_promise(
    platform: RunningStack, tmp_path: Path
) -> None:
    rig, history = StillRig(platform), Record()
    await live(rig, random.Random(SEED), history, time.monotonic() + LIFE_S)
    deadline = time.monotonic() + SETTLES_S
    while left := await unsettled(rig, history):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.5)
    assert await violations(rig, history) == []
    await _everybody_is_known_by_their_address(rig, history)
    _was_a_life(history)
    history.write(tmp_path / "history.jsonl")
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in lines] == [each.what for each in history.operations]


async def _everybody_is_known_by_their_address(rig: StillRig, history: Record) -> None:
    truth = await truth_of(rig, history)
    stayed = [each for each in history.people.values() if not truth.is_leaving(each.user_id)]
    assert stayed
    assert truth.accounts == {each.email: each.user_id for each in stayed}


def _was_a_life(history: Record) -> None:
    """See that enough was done to be able to break something."""
    done = Counter(each.what for each in history.operations if each.ok)
    assert done.keys() >= {"upload", "generate", "check-out", "caption", "delete-account"}
    assert history.counts()["erasures"] >= 1
    assert history.counts()["events"] > 50
