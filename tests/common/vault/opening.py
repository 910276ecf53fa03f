"""A process that opens what was sealed, again and again, until it cannot: `opening.py USER_ID SEALED`.

It prints the time before the first call that opened, and before the last one, on a clock that all processes share.
"""

import asyncio
import sys
import time
from uuid import UUID

from libs.common.mongo import Mongo
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.vault.keys import DataKeys

OFTEN_S = 0.02


def say(moment: float) -> None:
    sys.stdout.write(f"{moment}\n")
    sys.stdout.flush()


async def main(user_id: UUID, sealed: str) -> None:
    settings = CommonSettings()
    mongo = Mongo.connect(settings, "tests")
    sealing = Sealing(settings, DataKeys(mongo, settings))
    last = 0.0
    while True:
        began = time.monotonic()
        if await sealing.opened(user_id, [sealed]) == [None]:
            break
        if not last:
            say(began)
        last = began
        await asyncio.sleep(OFTEN_S)
    say(last)
    await sealing.close()
    await mongo.close()


if __name__ == "__main__":
    asyncio.run(main(UUID(sys.argv[1]), sys.argv[2]))
