"""What auth's worker does by itself, now and then."""

import asyncio

from libs.common.logging import logger
from services.auth.leaving import Leaving

EVERY_S = 600.0

log = logger("auth")


class Housekeeping:
    """Closes accounts whose time has ended. Several workers may do it at once: each account closes once."""

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving

    async def run(self) -> None:
        """Work until cancelled. Those who were told a date come first: nobody was who never verified."""
        while True:
            if closed := await self._leaving.close_due():
                log.info("accounts.grace_ended", count=closed)
            if closed := await self._leaving.close_unverified():
                log.info("accounts.never_verified_closed", count=closed)
            await asyncio.sleep(EVERY_S)
