"""After kill -9 at any point another process goes on, and the counts are exact."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from libs.common.clock import now
from libs.common.events.privacy import HoldingErasure
from libs.common.privacy.progress import CLAIM_MS, ErasureUnderWay, Progress
from libs.common.privacy.tombstones import UNDER_WAY, Chunk, Tombstone
from libs.common.settings import CommonSettings
from libs.common.storage import Storage, Version
from libs.common.testing.processes import environment, tied
from tests.common.privacy.crash import BATCH, SWEPT_BY
from tests.common.privacy.studio import BUCKET, Code, Studio, open_studio

ROOT = Path(__file__).resolve().parents[3]
PICTURES, RECEIPTS = 17, 9
OLD_CODES, LATE = 10, 7
POINTS = [
    "chunk-written-down",
    "chunk-deleted-not-counted",
    "all-erased-not-announced",
    "key-destroyed-not-counted",
]
POINTS_IN_TRANSACTIONS = ["rows-second-transaction", "rows-only-transaction"]


async def crash(studio: Studio, point: str, user_id: UUID, case_id: UUID) -> int:
    """Erase in another process, which is killed at the point; return how it ended."""
    command = [sys.executable, "-m", "tests.common.privacy.crash", point, str(user_id), str(case_id)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment(studio.settings), preexec_fn=tied()
    )
    return await process.wait()


async def go_on(studio: Studio, user_id: UUID, case_id: UUID) -> list[HoldingErasure]:
    """Erase as the bus does: again while another process, or what is left of it, has the claim."""
    async with asyncio.timeout(90):
        while True:
            try:
                return await studio.holder.erase(user_id, case_id)
            except ErasureUnderWay:
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("point", POINTS)
async def test_another_process_goes_on_and_counts_exactly(studio: Studio, point: str) -> None:
    await survive(studio, point)


@pytest.mark.slow
async def test_a_death_inside_a_transaction_loses_nothing(studio: Studio) -> None:
    """It takes as long as the server keeps the locks of a transaction whose process is gone."""
    await asyncio.gather(
        *(survive(studio, point) for point in POINTS_IN_TRANSACTIONS),
        outlive_a_sweep(studio, "batch-gone-not-committed"),
    )


async def test_a_sweep_that_is_killed_goes_on_from_its_place_and_ends_everything_once(studio: Studio) -> None:
    await outlive_a_sweep(studio, "batch-committed")


async def outlive_a_sweep(studio: Studio, point: str) -> None:
    """Kill who ends the retention of old codes; another process ends the rest, and what went is counted once."""
    person, retention = uuid4(), studio.holder._retention
    codes = studio.mongo.collection(Code)
    old = {"created_at": {"$lt": SWEPT_BY - timedelta(days=1)}}
    for number in range(OLD_CODES):
        made = SWEPT_BY - timedelta(days=9, minutes=number)
        await codes.insert_one(Code(id=uuid4().hex, user_id=person, created_at=made).to_mongo())
    before = (await retention.sweeps.of("gallery.codes")).removed_in_all
    assert await crash(studio, point, person, uuid4()) == -signal.SIGKILL
    left = await retention.sweeps.of("gallery.codes")
    batches = {"batch-committed": 2, "batch-gone-not-committed": 1}[point]
    assert (left.begun_at, left.removed_in_all - before) == (SWEPT_BY, batches * BATCH)
    assert await retention.end("gallery.codes", SWEPT_BY) == OLD_CODES - batches * BATCH
    assert await codes.count(old) == 0
    done = await retention.sweeps.of("gallery.codes")
    assert (done.completed_at, done.removed_in_all - before) == (SWEPT_BY, OLD_CODES)


async def test_a_late_sweep_that_is_killed_leaves_no_name_of_an_object_behind(studio: Studio) -> None:
    """However long ago it was: all that it was for is gone, so no look for what is left would come upon it."""
    person, case = await studio.settle(), uuid4()
    await studio.holder.inventory(person, case)
    await studio.holder.erase(person, case)
    await studio.holder.complete(person)
    await studio.put(person, [f"late-{number}" for number in range(LATE)])
    assert await crash(studio, "late-chunk-deleted-not-counted", person, case) == -signal.SIGKILL
    assert (before := await studio.tombstone(person))["chunks"] != {}
    await studio.storage.delete_prefix(BUCKET, studio.prefix(person))
    rows = studio.mongo.collection(Tombstone).raw
    found = await rows.find({**UNDER_WAY, "completed_at": {"$ne": None}}).explain()
    assert "COLLSCAN" not in str(found["queryPlanner"]["winningPlan"])
    long_ago = now() - timedelta(days=90)
    moved = {"$set": {"completed_at": long_ago, "claimed_at": long_ago}}
    await studio.mongo.collection(Tombstone).update_one({"_id": person}, moved)
    await studio.holder.sweep_late()
    after = await studio.tombstone(person)
    assert after["chunks"] == {}
    assert after["erased"]["gallery/files"] > before["erased"]["gallery/files"]


async def survive(studio: Studio, point: str) -> None:
    person, other, case = (
        await studio.settle(pictures=PICTURES, receipts=RECEIPTS),
        await studio.settle(),
        uuid4(),
    )
    before = await studio.rows(other), await studio.objects(other)
    found = {each.holding: each.found for each in await studio.holder.inventory(person, case)}
    assert await crash(studio, point, person, case) == -signal.SIGKILL
    outcome = await go_on(studio, person, case)
    assert {each.holding: each.erased + each.retained for each in outcome} == found
    assert found["gallery.files"] == found["gallery.pictures"] == PICTURES
    assert await studio.rows(person) == {}
    assert await studio.objects(person) == 0
    assert found["vault.keys"] == 1
    assert (await studio.tombstone(person))["chunks"] == {}
    assert (await studio.rows(other), await studio.objects(other)) == before


class SlowStorage(Storage):
    """The real storage, slow enough for others to claim what it lists, and to list what it is about to delete."""

    async def pages(self, bucket: str, prefix: str) -> AsyncIterator[list[Version]]:
        await asyncio.sleep(0.5)
        async for page in super().pages(bucket, prefix):
            yield page

    async def delete_versions(self, bucket: str, versions: Sequence[Version]) -> None:
        await asyncio.sleep(0.5)
        await super().delete_versions(bucket, versions)


async def test_processes_at_work_at_once_count_nothing_twice(common_settings: CommonSettings) -> None:
    async with open_studio(common_settings, storage=SlowStorage(common_settings)) as studio:
        await studio.storage.ensure_buckets(BUCKET)
        person, case = await studio.settle(pictures=PICTURES, receipts=RECEIPTS), uuid4()
        outcomes = await asyncio.gather(*(go_on(studio, person, case) for _ in range(3)))
        total = {each.holding: each.erased + each.retained for each in outcomes[-1]}
        assert total["gallery.files"] == total["gallery.pictures"] == PICTURES
        assert total["gallery.receipts"] == RECEIPTS
        assert await studio.rows(person) == {}


async def test_one_process_at_a_time_has_the_claim(studio: Studio) -> None:
    person, progress = uuid4(), Progress(studio.mongo)
    await studio.tombstones.set(person, uuid4())
    async with progress.claimed(person):
        with pytest.raises(ErasureUnderWay):
            async with progress.claimed(person):
                pytest.fail("two processes list and delete the same objects")
    async with progress.claimed(person):
        pass


async def test_a_process_that_lost_its_claim_deletes_nothing_more(studio: Studio) -> None:
    """Paused for longer than the claim lasts, it wakes while another is at work."""
    person, progress = uuid4(), Progress(studio.mongo)
    await studio.tombstones.set(person, uuid4())
    chunk = Chunk(holding="gallery.files", bucket=BUCKET, versions=[("a", "1"), ("b", "2")])
    async with progress.claimed(person) as paused:
        key = await paused.open(chunk)
        lapsed = {"$set": {"claimed_at": now() - timedelta(milliseconds=CLAIM_MS + 1)}}
        await studio.mongo.collection(Tombstone).update_one({"_id": person}, lapsed)
        async with progress.claimed(person) as other:
            assert list(other.tombstone.chunks) == [key]
            with pytest.raises(ErasureUnderWay):
                await paused.open(chunk)
            assert await other.close(key, chunk) == 2
            assert await paused.close(key, chunk) == 0
    assert (await studio.tombstone(person))["erased"] == {"gallery/files": 2}
