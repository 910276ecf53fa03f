"""A process that erases one person, or sweeps, and is killed by SIGKILL at a named point.

`crash.py POINT USER_ID CASE_ID`; what it does follows from the point.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from uuid import UUID

from libs.common.privacy import objects, rows
from libs.common.privacy.holder import Holder
from libs.common.privacy.item_holds import ItemHold
from libs.common.privacy.progress import Progress, Tally
from libs.common.privacy.retention import sweep
from libs.common.privacy.retention.sweeps import Sweep, Sweeps
from libs.common.privacy.rows import Left
from libs.common.settings import CommonSettings
from libs.common.storage import Storage, Version
from tests.common.privacy.studio import EPOCH, open_studio

CHUNK = 5
BATCH = 3
SWEPT_BY = EPOCH - timedelta(days=1)
"""Before anything of the people of these tests is over, but for what is older on purpose."""
ROWS_AT_ONCE = 4
SECOND = 2


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStorage(Storage):
    """The real storage, of a process that dies at its second deletion."""

    deletions = 0
    point = ""

    async def delete_versions(self, bucket: str, versions: Sequence[Version]) -> None:
        DyingStorage.deletions += 1
        second = DyingStorage.deletions == SECOND
        if second and self.point == "chunk-written-down":
            die()
        await super().delete_versions(bucket, versions)
        if second and self.point.endswith("chunk-deleted-not-counted"):
            die()


class DyingProgress(Progress):
    """The real progress, of a process that dies inside a transaction that has deleted rows."""

    transactions = 0
    point = ""

    async def count(self, user_id: UUID, done: Tally) -> None:
        DyingProgress.transactions += 1
        if self.point == {1: "rows-only-transaction", SECOND: "rows-second-transaction"}.get(
            self.transactions
        ):
            die()
        await super().count(user_id, done)

    async def settle(self, user_id: UUID, holding: str, total: int) -> bool:
        if self.point == "key-destroyed-not-counted":
            die()
        return await super().settle(user_id, holding, total)


class DyingSweeps(Sweeps):
    """The real record of sweeps, of a process that dies inside the transaction of its second batch."""

    saves = 0

    async def save(self, sweep: Sweep) -> None:
        DyingSweeps.saves += 1
        if self.saves == SECOND:
            die()
        await super().save(sweep)


class DyingHolder(Holder):
    """The real holder, of a process that dies once everything is erased and before it can say so."""

    point = ""

    async def _look(self, user_id: UUID, holds: Sequence[ItemHold]) -> dict[str, Left]:
        if self.point == "all-erased-not-announced":
            die()
        return await super()._look(user_id, holds)


async def main(point: str, user_id: UUID, case_id: UUID) -> None:
    objects.CHUNK = CHUNK
    if point != "rows-only-transaction":
        rows.ROWS_AT_ONCE = ROWS_AT_ONCE
    DyingStorage.point = DyingProgress.point = DyingHolder.point = point
    settings = CommonSettings()
    async with open_studio(settings, storage=DyingStorage(settings)) as studio:
        holder = DyingHolder(
            studio.holder.holdings,
            studio.mongo,
            studio.storage,
            studio.tombstones,
            studio.holder.outbox,
            settings,
        )
        holder._rows._progress = holder._keys._progress = DyingProgress(studio.mongo)
        await work_of(holder, point, user_id, case_id)


async def work_of(holder: Holder, point: str, user_id: UUID, case_id: UUID) -> None:
    """Do what is killed at the point."""
    if point.startswith("batch-"):
        await sweep_codes(holder, point)
    elif point.startswith("late-"):
        await holder.sweep([user_id])
    else:
        await holder.erase(user_id, case_id)


async def sweep_codes(holder: Holder, point: str) -> None:
    """End the retention of codes, in batches that are small enough to die between."""
    sweep.BATCH, batches = BATCH, count(1)
    if point == "batch-gone-not-committed":
        holder._retention.sweeps = DyingSweeps(holder.mongo)

    def between() -> None:
        if next(batches) == SECOND:
            die()

    await holder._retention.end("gallery.codes", SWEPT_BY, between)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], UUID(sys.argv[2]), UUID(sys.argv[3])))
