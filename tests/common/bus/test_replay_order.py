"""A replay to a group keeps the order of each key: nothing that it hands over overtakes what has failed."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from libs.common.audit import Audit
from libs.common.bus.letters.rows import State as Letter
from libs.common.clock import now
from libs.common.replays.replays import Replays
from libs.common.replays.runs import ReplayRun, ReplayRuns
from libs.common.runs import State
from libs.common.testing.kafka import caught_up, records_of
from libs.common.testing.waiting import eventually
from tests.common.bus.harness import Bench
from tests.common.bus.letters import Refuses, letters, letters_reach, of_person
from tests.common.bus.test_redrive import all_settled, box
from tests.common.bus.test_replay_to_group import STAFF, carrying_out, done, forget, replaying

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


async def ran(replays: Replays, bench: Bench, *, deliver: bool = True, rate: int | None = None) -> ReplayRun:
    """Order a replay of everything, and return it once it is over."""
    return await done(
        replays, await replays.ask(ReplayRun(group=bench.group, deliver=deliver, rate=rate), STAFF)
    )


async def published(bench: Bench, count: int) -> None:
    """Wait until so many events of the bench's are in the log."""

    async def look() -> bool:
        return len(await records_of(bench.bootstrap, bench.topic)) >= count

    await eventually(look)


@BOTH
async def test_what_would_overtake_a_dead_letter_waits(bench: Bench, io: bool) -> None:
    person, refuses = uuid4(), Refuses(bench, 1)
    async with replaying(bench, io=io, refuses=refuses) as replays:
        await bench.publish(*(bench.event(user_id=person, number=number) for number in range(3)))
        await bench.publish_numbers(1)
        await bench.effects_reach(2)
        await letters_reach(bench, 2)
        assert (await ran(replays, bench, deliver=False)).counts == {"duplicate": 2, "waiting": 2}
        assert (await ran(replays, bench)).counts == {"duplicate": 2, "waiting": 2}
        assert await of_person(bench, person) == [0]
        refuses.numbers.clear()
        (first,) = await letters(bench, Letter.OPEN)
        await box(bench).ask(first.id, STAFF, "bug-1234")
        await all_settled(bench)
        assert await of_person(bench, person) == [0, 1, 2]
        assert (await ran(replays, bench)).counts == {"duplicate": 4}


@BOTH
async def test_what_the_group_has_not_come_to_is_left_to_it(bench: Bench, io: bool) -> None:
    person, subscription = uuid4(), bench.subscription(bench.note_once if io else bench.note, io=io)
    consuming, relaying = bench.bus(subscription), bench.bus()
    await consuming.start()
    await bench.publish(*(bench.event(user_id=person, number=number) for number in range(2)))
    await bench.effects_reach(2)
    await caught_up(bench.bootstrap, bench.group, bench.topic)
    await consuming.stop()
    await forget(bench)
    await relaying.start()
    await bench.publish(bench.event(user_id=person, number=2))
    await published(bench, 3)
    since = now()
    await bench.publish(bench.event(user_id=person, number=3))
    await published(bench, 4)
    await bench.mongo.prepare([ReplayRun])
    replays = Replays(
        bench.bootstrap, bench.mongo, bench.work, Audit(bench.work.outbox, "auth"), [subscription]
    )
    async with carrying_out(replays, consuming):
        late = ReplayRun(group=bench.group, since=since, deliver=True)
        ended = [await done(replays, await replays.ask(late, STAFF)), await ran(replays, bench)]
    await bench.bus(subscription).start()
    await bench.effects_reach(4)
    assert await of_person(bench, person) == [0, 1, 2, 3]
    assert [run.counts for run in ended] == [{}, {"done": 2}]


@BOTH
async def test_what_follows_a_failure_of_its_key_waits_for_another_replay(bench: Bench, io: bool) -> None:
    person, refuses = uuid4(), Refuses(bench)
    async with replaying(bench, io=io, refuses=refuses) as replays:
        await bench.publish(*(bench.event(user_id=person, number=number) for number in range(4)))
        await bench.publish_numbers(1)
        await bench.effects_reach(5)
        await forget(bench)
        refuses.numbers.add(1)
        assert (await ran(replays, bench)).counts == {"done": 2, "failed": 1, "waiting": 2}
        assert await of_person(bench, person) == [0]
        refuses.numbers.clear()
        assert (await ran(replays, bench)).counts == {"duplicate": 2, "done": 3}
        assert await of_person(bench, person) == [0, 1, 2, 3]


async def test_whoever_succeeds_knows_what_failed_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate of one after the other, so that what failed is noted before what follows it has its turn."""
    person, refuses, note, died = uuid4(), Refuses(bench), ReplayRuns.note, asyncio.Event()

    async def dying(self: ReplayRuns, run: ReplayRun, *far: Any, **more: Any) -> bool:
        goes_on = await note(self, run, *far, **more)
        if "failed" in run.counts and not died.is_set():
            died.set()
            raise asyncio.CancelledError
        return goes_on

    async with replaying(bench, io=False, refuses=refuses) as replays:
        await bench.publish(*(bench.event(user_id=person, number=number) for number in range(4)))
        await bench.effects_reach(4)
        await forget(bench)
        refuses.numbers.add(1)
        monkeypatch.setattr(ReplayRuns, "note", dying)
        run = await replays.ask(ReplayRun(group=bench.group, deliver=True, rate=10), STAFF)
        await asyncio.wait_for(died.wait(), 60)
        refuses.numbers.clear()
        working = asyncio.create_task(replays.work_for_ever(bench.buses[0].redeliveries))
        ended = await done(replays, run)
        working.cancel()
        assert ended.counts == {"done": 1, "failed": 1, "waiting": 2}
        assert await of_person(bench, person) == [0]
        assert ended.lanes == [], "whose events waited is forgotten with the replay"


async def test_what_was_discarded_holds_nothing_up(bench: Bench) -> None:
    person, refuses = uuid4(), Refuses(bench, 0)
    async with replaying(bench, io=False, refuses=refuses) as replays:
        await bench.publish(*(bench.event(user_id=person, number=number) for number in range(2)))
        await letters_reach(bench, 2)
        (first,) = await letters(bench, Letter.OPEN)
        await box(bench).discard(first.id, STAFF, "test-data")
        await all_settled(bench)
        await forget(bench)
        assert (await ran(replays, bench)).counts == {"failed": 1, "done": 1}
        assert await of_person(bench, person) == [1]


async def test_where_too_much_fails_the_replay_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.common.replays.replays.MOST_FAILED", 2)
    refuses = Refuses(bench)
    async with replaying(bench, io=False, refuses=refuses) as replays:
        await bench.publish_numbers(10)
        await bench.effects_reach(10)
        await forget(bench)
        refuses.numbers.update(range(10))
        ended = await ran(replays, bench, rate=10)
        assert (ended.state, ended.counts, ended.lanes) == (State.FAILED, {"failed": 3}, [])
