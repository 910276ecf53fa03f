"""One rebuild from its beginning to its verdict, while everybody goes on writing."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

from libs.common.bus.lease import Lease
from libs.common.rebuild.comparing import Comparing
from libs.common.rebuild.folding import Folding
from libs.common.rebuild.model import ReadModel, Verdict
from libs.common.rebuild.runs import RebuildRun

SETTLING_S = 60.0
"""How long those who go on writing are waited for, until each was at rest once."""
LOOK_EVERY_S = 0.1


class Rebuilding:
    """Folds the log into facts, compares the live rows with them, and swaps what differs where that is wanted."""

    def __init__(
        self, folding: Folding, comparing: Comparing, model: ReadModel, run: RebuildRun, lease: Lease
    ) -> None:
        self._folding, self._comparing, self._model = folding, comparing, model
        self._run, self._lease = run, lease
        self.verdict = Verdict()

    async def run(self, bootstrap: str) -> Verdict:
        """Return what came of it.

        Raises:   LogUnavailable, LeaseLost: another try goes on with what was folded.
        """
        await self._folding.open(bootstrap)
        try:
            await self._folding.catch_up_first()
            moving = {owner async for owners in self._everyone() for owner in await self._settle(owners)}
            self.verdict.unsettled = len(await self._wait_for(moving))
        finally:
            await self._folding.close()
        self.verdict.events, self.verdict.corrected = self._run.events, self._run.corrected
        self.verdict.differing += self._run.corrected
        return self.verdict

    async def _everyone(self) -> AsyncIterator[list[UUID]]:
        """Yield all people by id, some at a time; who joins meanwhile may be left to the next rebuild."""
        last: UUID | None = None
        while owners := await self._comparing.owners_after(last):
            yield owners
            last = owners[-1]

    async def _wait_for(self, moving: set[UUID]) -> set[UUID]:
        """Look at people until each was at rest once, or the time is over; return those who never were."""
        deadline = time.monotonic() + SETTLING_S
        while moving and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_EVERY_S)
            waiting = sorted(moving)
            for first in range(0, len(waiting), self._model.people_at_once):
                owners = waiting[first : first + self._model.people_at_once]
                moving = (moving - set(owners)) | await self._settle(owners)
        return moving

    async def _settle(self, owners: list[UUID]) -> set[UUID]:
        """Compare people's rows, and swap them where that is wanted; return whom that could not be done for."""
        self._lease.require()
        batch = await self._comparing.look(owners)
        moving = (batch.moving | await self._folding.catch_up()) - batch.erased
        judged = await self._comparing.judge(batch, moving)
        if await self._comparing.erased_of(judged.changes):
            return set(owners)  # an erasure came in between, and what was sealed opens no more
        if not self._run.swap:
            self.verdict.differing += len(judged.changes)
        elif judged.changes and not await self._comparing.put_right(judged.changes):
            return set(owners)
        self.verdict.compared += judged.compared
        self.verdict.older += judged.older
        self.verdict.erased += len(batch.erased)
        return moving & set(owners)
