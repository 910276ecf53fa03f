"""Nothing is written for people who are erased, whenever the event comes."""

import asyncio
from contextvars import Context
from uuid import UUID, uuid4

import pytest

from libs.common.bus.consumes import Once
from libs.common.privacy.tombstones import Tombstones
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted, noted
from tests.common.bus.harness import Bench, Effect

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


@BOTH
async def test_events_of_erased_people_have_no_effect(bench: Bench, io: bool) -> None:
    erased = uuid4()
    await bench.tombstones.set(erased, uuid4())
    await bench.publish(bench.event(user_id=erased, number=666))
    await bench.publish_numbers(5)
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    assert sorted(await bench.effects_reach(5)) == list(range(5))
    assert 666 not in await bench.effects()


async def test_events_about_the_erasure_itself_pass_the_fence(bench: Bench) -> None:
    bench.event = noted(bench.topic, fenced=False)
    erased = uuid4()
    await bench.tombstones.set(erased, uuid4())
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish(bench.event(user_id=erased, number=1))
    assert await bench.effects_reach(1) == [1]


@BOTH
async def test_what_slipped_past_the_fence_is_swept_after_the_commit(bench: Bench, io: bool) -> None:
    """A person is erased while the transaction that writes for them is open: it cannot see the tombstone."""
    victim, swept = uuid4(), []

    async def sweep(subjects: list[UUID]) -> None:
        await bench.mongo.collection(Effect).delete_many({"user_id": {"$in": subjects}})
        swept.extend(subjects)

    bench.tombstones.on_sweep(sweep)

    async def write(event: Noted) -> None:
        await bench.note(event)
        if event.user_id == victim:  # by another process, outside of this transaction
            erasure = Tombstones(bench.mongo).set(victim, uuid4())
            await asyncio.create_task(erasure, context=Context())

    async def transactional(event: Noted) -> None:
        await write(event)

    async def with_io(event: Noted, once: Once) -> None:
        await once(lambda: write(event))

    await bench.bus(bench.subscription(with_io if io else transactional, io=io)).start()
    await bench.publish(bench.event(user_id=victim, number=666))
    await bench.publish_numbers(3)
    await eventually_swept(swept)
    assert sorted(await bench.effects_reach(3)) == [0, 1, 2]
    assert swept == [victim]


async def eventually_swept(swept: list[UUID]) -> None:
    """Wait until something has been swept."""

    async def look() -> bool:
        return bool(swept)

    await eventually(look)
