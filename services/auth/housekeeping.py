"""What auth's worker does by itself, now and then."""

import asyncio

from libs.common.logging import logger
from services.auth.accounts import Accounts

EVERY_S = 600.0

log = logger("auth")


class Housekeeping:
    """Deletes accounts that were never verified. Several workers may do it at once: each account closes once."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if closed := await self._accounts.close_unverified():
                log.info("accounts.never_verified_closed", count=closed)
            await asyncio.sleep(EVERY_S)
