"""The fence: nothing is read or written for a person who is frozen, and what comes late goes again."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.errors import SubjectErased, Unavailable
from libs.common.privacy import holder as holding
from libs.common.privacy.holder import LATE_FOR, Holder
from libs.common.privacy.metrics import REFUSED, SWEPT
from libs.common.privacy.objects import Objects
from libs.common.privacy.progress import Tally
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.settings import CommonSettings
from libs.common.tasks import Background
from libs.common.testing.waiting import eventually
from tests.clocks import off_by
from tests.common.privacy.studio import BUCKET, Picture, Receipt, Studio, open_studio


async def write(studio: Studio, user_id: UUID) -> None:
    await studio.mongo.collection(Picture).insert_one(studio.picture(user_id).to_mongo())


async def test_writing_and_reading_are_refused_from_the_inventory_on(studio: Studio) -> None:
    person, other = await studio.settle(), await studio.settle()
    await studio.tombstones.refuse(person)
    await studio.holder.inventory(person, uuid4())
    refused = REFUSED._value.get()
    with pytest.raises(SubjectErased):
        await studio.work.run(lambda: write(studio, person), subject=person)
    with pytest.raises(SubjectErased):
        await studio.tombstones.refuse(person)
    assert REFUSED._value.get() == refused + 2
    assert (await studio.rows(person))["pictures"] == 5
    await studio.work.run(lambda: write(studio, other), subject=other)
    assert (await studio.rows(other))["pictures"] == 6


async def test_asking_about_nobody_costs_nothing(studio: Studio) -> None:
    await studio.mongo.close()
    assert await studio.tombstones.among(()) == []


class LateWrite:
    """A transaction that has read "no tombstone", has written, and is held open before its commit."""

    def __init__(self, studio: Studio, user_id: UUID) -> None:
        self._studio, self._user_id = studio, user_id
        self._wrote, self._may_commit = asyncio.Event(), asyncio.Event()

    async def begin(self) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._studio.work.run(self._work, subject=self._user_id))
        await self._wrote.wait()
        return task

    def commit(self) -> None:
        self._may_commit.set()

    async def _work(self) -> None:
        await write(self._studio, self._user_id)
        await self._studio.mongo.collection(Receipt).insert_one(
            self._studio.receipt(self._user_id).to_mongo()
        )
        self._wrote.set()
        await self._may_commit.wait()


async def test_a_commit_after_the_erasure_is_erased_again(studio: Studio) -> None:
    """Begun before the tombstone, committed after the deletes: the one race that the read inside cannot see."""
    person, case = await studio.settle(), uuid4()
    late = LateWrite(studio, person)
    running = await late.begin()
    await studio.holder.inventory(person, case)
    await studio.holder.erase(person, case)
    await studio.holder.complete(person)
    assert await studio.rows(person) == {}
    swept = SWEPT._value.get()
    late.commit()
    with pytest.raises(SubjectErased):
        await running
    assert await studio.rows(person) == {}
    assert SWEPT._value.get() == swept + 2
    outcome = {each.holding: each for each in await studio.holder.erase(person, case)}
    assert (outcome["gallery.pictures"].erased, outcome["gallery.receipts"].retained) == (6, 4)


async def test_a_commit_between_inventory_and_erasure_waits_for_the_erasure(studio: Studio) -> None:
    """The person may be on hold: nothing goes before the erasure is asked for."""
    person, case = await studio.settle(), uuid4()
    late = LateWrite(studio, person)
    running = await late.begin()
    await studio.holder.inventory(person, case)
    late.commit()
    with pytest.raises(SubjectErased):
        await running
    assert (await studio.rows(person))["pictures"] == 6
    outcome = {each.holding: each.erased for each in await studio.holder.erase(person, case)}
    assert outcome["gallery.pictures"] == 6
    assert await studio.rows(person) == {}


async def test_an_upload_that_lands_after_the_erasure_goes_again(studio: Studio) -> None:
    person, case, other = await studio.settle(), uuid4(), await studio.settle()
    await studio.holder.erase(person, case)
    await studio.holder.complete(person)
    await studio.put(person, ["posted-late"])
    await studio.holder.sweep_late()
    assert await studio.objects(person) == 0
    assert await studio.objects(other) == 5


async def erased(studio: Studio) -> UUID:
    """Return somebody whose erasure is complete."""
    person = await studio.settle()
    await studio.holder.erase(person, uuid4())
    await studio.holder.complete(person)
    return person


async def test_who_was_erased_by_a_clock_that_was_behind_is_swept_after_as_anybody(studio: Studio) -> None:
    person = await studio.settle()
    await studio.holder.erase(person, uuid4())
    with off_by(-2 * LATE_FOR):
        await studio.holder.complete(person)
    await studio.put(person, ["posted-late"])
    await studio.holder.sweep_late()
    assert await studio.objects(person) == 0


async def test_what_is_late_after_a_new_erasure_waits_for_no_older_one(
    common_settings: CommonSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has just started, and looks after one of two days ago, which takes it without end."""
    monkeypatch.setattr(holding, "LATE_EVERY_S", 0.1)
    verify, reached = Holder.verify, asyncio.Event()
    async with open_studio(common_settings, named="late") as studio:
        await studio.storage.ensure_buckets(BUCKET)
        older = await erased(studio)
        long_ago = [{"$set": {"completed_at": {"$subtract": ["$$NOW", 2 * 86_400_000]}}}]
        await studio.mongo.collection(Tombstone).update_one({"_id": older}, long_ago)

        async def endless(self: Holder, user_id: UUID) -> dict[str, int]:
            if user_id == older:
                reached.set()
                await asyncio.Event().wait()
            return await verify(self, user_id)

        async def gone() -> bool:
            return await studio.objects(person) == 0

        monkeypatch.setattr(Holder, "verify", endless)
        background = Background(studio.holder.loops())
        background.start()
        try:
            async with asyncio.timeout(10):
                await reached.wait()
            person = await erased(studio)
            await studio.put(person, ["posted-late"])
            await eventually(gone, within_s=10)
        finally:
            await background.stop()


@pytest.mark.parametrize("stuck", [0, 1])
async def test_one_who_cannot_be_swept_holds_up_nobody(
    studio: Studio, stuck: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [await studio.settle() for _ in range(2)]
    for person in people:
        await studio.holder.erase(person, uuid4())
        await studio.holder.complete(person)
        await studio.put(person, ["posted-late"])
    erase = Objects.erase

    async def refused(self: Objects, user_id: UUID, held: Any) -> Tally:
        if user_id == people[stuck]:
            raise Unavailable("one version cannot be deleted")
        return await erase(self, user_id, held)

    with monkeypatch.context() as patched:
        patched.setattr(Objects, "erase", refused)
        await studio.holder.sweep_late()
    assert [await studio.objects(person) for person in people] == [int(stuck == 0), int(stuck == 1)]
    await studio.holder.sweep_late()
    assert [await studio.objects(person) for person in people] == [0, 0]


async def test_an_upload_of_a_person_on_hold_is_left_alone(studio: Studio) -> None:
    person = await studio.settle()
    await studio.holder.inventory(person, uuid4())
    await studio.holder.sweep([person])
    await studio.holder.sweep_late()
    assert await studio.objects(person) == 5


async def test_a_fence_without_a_sweeper_is_a_mistake_that_shows(studio: Studio) -> None:
    with pytest.raises(RuntimeError, match="Holder"):
        await Tombstones(studio.mongo).sweep([uuid4()])


async def test_a_tombstone_is_written_once_and_stays(studio: Studio) -> None:
    person, case = uuid4(), uuid4()
    first, *_ = await asyncio.gather(*(studio.tombstones.set(person, case) for _ in range(5)))
    assert (await studio.tombstones.set(person, uuid4())).case_id == case
    assert await studio.tombstones.among([person, uuid4()]) == [person]
    assert (await studio.tombstones.set(person, case)).at == first.at
