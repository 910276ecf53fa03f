"""A process on the bus that kills itself, as the kernel would, at the moment it is told to.

`python -m tests.common.bus.crashing NAME WHEN [--io] [--relay-only] [--refuse N]`, settings from the environment.
"""

import argparse
import asyncio
import os
import signal
from typing import Any

from libs.common.bus.letters.box import LetterBox
from libs.common.bus.letters.parking import Parking
from libs.common.bus.ownership import Ownership
from libs.common.bus.producer import Producer
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.relay import Relay
from libs.common.settings import CommonSettings
from tests.common.bus.harness import open_bench
from tests.common.bus.letters import Refuses

MOMENTS: dict[str, tuple[type, str] | None] = {
    "before-publish": (Producer, "publish"),
    "before-forgetting": (Relay, "_forget"),
    "before-commit": (Ownership, "commit"),
    "before-letter": (Parking, "_open_lane"),
    "before-parking": (Parking, "_line_up"),
    "before-redelivery": (Redelivery, "deliver"),
    "before-settling": (LetterBox, "_redriven"),
    "before-closing": (LetterBox, "_rest"),
    "never": None,
}


async def die(*_: Any) -> None:
    """End as by `kill -9`: nothing is flushed, closed or given back."""
    os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.Event().wait()


async def main() -> None:
    """Relay and consume until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("when", choices=MOMENTS)
    parser.add_argument("--io", action="store_true")
    parser.add_argument("--relay-only", action="store_true")
    parser.add_argument("--refuse", type=int, nargs="*", default=[], help="numbers that the handler refuses")
    asked = parser.parse_args()
    if moment := MOMENTS[asked.when]:
        kind, method = moment
        setattr(kind, method, die)
    bench = await open_bench(CommonSettings.model_validate({}), asked.name)
    handler = Refuses(bench, *asked.refuse)
    subscriptions = [] if asked.relay_only else [bench.subscription(handler, io=asked.io, concurrency=4)]
    bus = bench.bus(*subscriptions)
    await bus.start()
    print("started", flush=True)  # noqa: T201 - the test waits for it
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
