"""`make demo`: the story on a platform of its own; exit 0 only if every step held."""

import asyncio
import shutil
import sys

import httpx

from demo.cast import ada, bob
from demo.story import Story
from demo.timeline import Timeline
from deploy.local.errors import StackError
from deploy.local.home import ROOT
from deploy.local.spawn import started

HOME = ROOT / ".pixera" / "demo"


async def play(story: Story) -> None:
    """Let two people live on the platform, and one leave it."""
    async with httpx.AsyncClient(base_url=story.gateway, timeout=30) as http:
        await story.play(ada(http), bob(http))


def main() -> int:
    """Play the story; return the exit code."""
    timeline = Timeline()
    shutil.rmtree(HOME, ignore_errors=True)
    timeline.act("The stage: Kafka, MongoDB, S3, Envoy and five services, from nothing")
    try:
        with timeline.starting("the platform is ready") as ready, started(HOME) as stack:
            ready()
            asyncio.run(play(Story(stack.gateway, stack.env, HOME, timeline)))
    except (AssertionError, StackError) as error:
        timeline.failed(str(error))
        return 1
    timeline.held()
    return 0


if __name__ == "__main__":
    sys.exit(main())
