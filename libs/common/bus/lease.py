"""The lease: of all processes that could do a thing, one does it; another takes over when it dies."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import Field

from libs.common.clock import new_id
from libs.common.document import Document, Restored
from libs.common.logging import logger
from libs.common.mongo import PASSING_ERRORS, DuplicateKeyError, Filter, Mongo
from libs.common.privacy.annotations import Operational

LOOK_EVERY_S = 0.5
MARGIN_S = 1.0

log = logger("bus.lease")


class LeaseRow(Document):
    """Who holds a lease, and until when by the database's clock."""

    collection: ClassVar[str] = "leases"
    restored: ClassVar[Restored] = Restored.ANEW

    id: Operational[str] = Field(alias="_id")
    holder: Operational[str]
    until: Operational[datetime]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(RuntimeError):
    """Somebody else holds the lease, or may before long."""


class Lease:
    """One named lease of a service. Times are the database's, so clocks need not agree."""

    def __init__(self, mongo: Mongo, name: str, ttl_s: float) -> None:
        self._rows = mongo.collection(LeaseRow)
        self._name, self._ttl_s = name, ttl_s
        self._holder = str(new_id())
        self._valid_until = 0.0

    @property
    def valid(self) -> bool:
        """Tell whether it is ours for long enough to begin something short."""
        return time.monotonic() < self._valid_until - MARGIN_S

    def require(self) -> None:
        """Raises: LeaseLost: what is begun now could meet another holder."""
        if not self.valid:
            raise LeaseLost(self._name)

    @asynccontextmanager
    async def held(self, at_anothers: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Wait until the lease is ours; keep it while the block runs; give it back.

        Args:     at_anothers: called at every look that finds it held by another process.
        """
        while not await self._take():
            at_anothers()
            await asyncio.sleep(LOOK_EVERY_S)
        keeping = asyncio.create_task(self._keep(), name=f"lease-{self._name}")
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._give_back()

    async def _keep(self) -> None:
        """Renew well before the end; trouble of any kind is passed over, because `valid` ends by itself."""
        while True:
            await asyncio.sleep(self._ttl_s / 4)
            try:
                if not await self._take():
                    self._valid_until = 0.0
            except Exception as error:
                log.warning("lease.not_renewed", lease=self._name, exc_info=error)

    async def _take(self) -> bool:
        """Take or renew it, where it is ours or over by the database's clock; return whether it is ours."""
        asked = time.monotonic()
        if not (await self._written() or await self._made()):
            return False
        self._valid_until = asked + self._ttl_s
        return True

    async def _written(self) -> bool:
        """Renew it or take it over in one step: whoever holds one does this again and again."""
        over = {"$expr": {"$lt": ["$until", "$$NOW"]}}
        return bool(
            await self._rows.update_one(
                {"_id": self._name, "$or": [{"holder": self._holder}, over]}, self._ours()
            )
        )

    async def _made(self) -> bool:
        """Make the row where there is none."""
        if await self._rows.find_one({"_id": self._name}) is not None:
            return False
        try:
            mine = {"_id": self._name, "holder": self._holder}
            return bool(await self._rows.update_one(mine, self._ours(), upsert=True))
        except DuplicateKeyError:  # another made it at the same moment
            return False

    def _ours(self) -> list[Filter]:
        until = {"$add": ["$$NOW", int(self._ttl_s * 1000)]}
        return [{"$set": {"holder": self._holder, "until": until}}]

    async def _give_back(self) -> None:
        self._valid_until = 0.0
        with suppress(*PASSING_ERRORS):  # it ends by itself
            await self._rows.delete_one({"_id": self._name, "holder": self._holder})
