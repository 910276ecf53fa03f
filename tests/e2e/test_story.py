"""The whole story through the gateway, with a smaller cast, and with each process killed in the middle of it."""

import io
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from demo.cast import role
from demo.story import Story
from demo.timeline import Timeline
from deploy.local.spawn import RunningStack

VICTIMS = (
    *(
        f"{service}-{kind}"
        for service in ("auth", "gallery", "generation", "billing", "privacy")
        for kind in ("api", "worker")
    ),
    "pay",
    "kafka",
    "mongod",
    "s3",
    "envoy",
)
numbers = count()


@pytest.fixture
async def http(platform: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client that knows the gateway and nothing else."""
    async with httpx.AsyncClient(base_url=platform.gateway, timeout=30) as client:
        yield client


@pytest.fixture
def story(platform: RunningStack, tmp_path: Path) -> Story:
    """The story, told to nobody."""
    return Story(platform.gateway, platform.env, tmp_path, Timeline(Console(file=io.StringIO())))


@pytest.mark.timeout(300)
async def test_one_leaves_and_is_gone_and_one_stays_and_loses_nothing(
    story: Story, http: httpx.AsyncClient
) -> None:
    leaving = role(http, "ophelia", photos=4, jobs=3)
    staying = role(http, "horatio", photos=4, jobs=3, first=4)
    await story.play(leaving, staying)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_an_erasure_survives_the_death_of_any_process(
    platform: RunningStack, story: Story, http: httpx.AsyncClient, victim: str
) -> None:
    number = next(numbers)
    leaving = role(http, f"yorick{number:02d}", photos=2, jobs=1, first=8 + 2 * number)
    await story.move_in(leaving)
    await story.seen(leaving)
    case = await story.leave(leaving)
    platform.kill(victim)
    certificate = await story.follow(leaving, case)
    await story.nothing_left(leaving, certificate)
