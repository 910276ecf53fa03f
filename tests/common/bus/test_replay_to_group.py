"""A group is handed the log again: told before it is done, each event once, nothing of whom was erased."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from libs.common.audit import Audit
from libs.common.bus.consumes import Subscription
from libs.common.bus.inbox import REMEMBERED, InboxRow
from libs.common.bus.process import Bus
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.topics import Topic, ensure_topics
from libs.common.clock import now
from libs.common.events.base import Event
from libs.common.replays import handover
from libs.common.replays.replays import ReplayOver, Replays, UnknownGroup, UnreadTopics
from libs.common.replays.runs import ReplayRun
from libs.common.runs import State
from libs.common.testing.kafka import caught_up, remove_topics
from libs.common.testing.waiting import eventually
from tests.common.bus.events import noted
from tests.common.bus.harness import Bench, Effect
from tests.common.bus.letters import Refuses

STAFF = uuid4()


class Replaying(Replays):
    """Replays that are ordered once the group has come to the log's end: what lies beyond it is left to it."""

    async def ask(self, run: ReplayRun, staff_id: UUID) -> ReplayRun:
        if group := self._groups.get(run.group):
            await caught_up(self._bootstrap, group.name, *group.topics)
        return await super().ask(run, staff_id)


@asynccontextmanager
async def replaying(
    bench: Bench, *, io: bool, refuses: Refuses | None = None, also: tuple[type[Event], ...] = ()
) -> AsyncIterator[Replays]:
    """Run the group's consumer, and what carries out replays to it.

    Args:     refuses: its handler, by default one that never fails; also: what the group reads besides.
    """
    handler = refuses or (bench.note_once if io else bench.note)
    subscription = Subscription((bench.event, *also), bench.group, handler, io)
    bus, audit = bench.bus(subscription), Audit(bench.work.outbox, "auth")
    replays = Replaying(bench.bootstrap, bench.mongo, bench.work, audit, [subscription])
    await bench.mongo.prepare([ReplayRun])
    await bus.start()
    async with carrying_out(replays, bus):
        yield replays


@asynccontextmanager
async def carrying_out(replays: Replays, bus: Bus) -> AsyncIterator[None]:
    """Carry out the replays that are ordered, for the block."""
    working = asyncio.create_task(replays.work_for_ever(bus.redeliveries))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def done(replays: Replays, run: ReplayRun) -> ReplayRun:
    async def over() -> bool:
        return (await replays.find(run.id)).state not in (State.WAITING, State.RUNNING)

    await eventually(over, within_s=120)
    return await replays.find(run.id)


async def forget(bench: Bench) -> None:
    """Lose the effects and the inbox, as a restore of an old backup does."""
    await bench.mongo.collection(Effect).delete_many({})
    await bench.mongo.collection(InboxRow).delete_many({})


@pytest.mark.parametrize("io", [False, True])
async def test_what_was_lost_is_done_again_and_the_rest_is_not(bench: Bench, io: bool) -> None:
    erased = uuid4()
    async with replaying(bench, io=io) as replays:
        await bench.publish_numbers(20)
        await bench.publish(bench.event(user_id=erased, number=99))
        await bench.effects_reach(21, within_s=60)
        told = await done(replays, await replays.ask(ReplayRun(group=bench.group), STAFF))
        assert told.counts == {"duplicate": 21}
        await forget(bench)
        await bench.tombstones.set(erased, uuid4())
        bench.tombstones.on_sweep(nothing)
        told = await done(replays, await replays.ask(ReplayRun(group=bench.group), STAFF))
        assert told.counts == {"deliverable": 20, "erased": 1}
        assert await bench.effects() == [], "a dry run has no effect"
        order = ReplayRun(group=bench.group, deliver=True, subject=None)
        given = await done(replays, await replays.ask(order, STAFF))
        assert (given.state, given.counts) == (State.DONE, {"done": 20, "erased": 1})
        again = await done(replays, await replays.ask(ReplayRun(group=bench.group, deliver=True), STAFF))
        assert again.counts == {"duplicate": 20, "erased": 1}
        assert sorted(await bench.effects()) == list(range(20))


@pytest.mark.parametrize("io", [False, True])
async def test_what_is_older_than_the_inbox_remembers_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, io: bool
) -> None:
    async with replaying(bench, io=io) as replays:
        await bench.publish_numbers(3)
        await bench.effects_reach(3, within_s=60)
        await forget(bench)
        since = now()
        await bench.publish(*(bench.event(user_id=uuid4(), number=number) for number in (10, 11)))
        await bench.effects_reach(2, within_s=60)
        await bench.mongo.collection(InboxRow).delete_many({})
        monkeypatch.setattr(handover, "now", lambda: since + REMEMBERED)
        told = await done(replays, await replays.ask(ReplayRun(group=bench.group), STAFF))
        assert told.counts == {"too-old": 3, "deliverable": 2}
        given = await done(replays, await replays.ask(ReplayRun(group=bench.group, deliver=True), STAFF))
        assert given.counts == {"too-old": 3, "done": 2}
        assert sorted(await bench.effects()) == [10, 10, 11, 11], "what was done so long ago came again"


async def test_a_worker_that_dies_is_succeeded_where_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replaying(bench, io=False) as replays:
        await bench.publish_numbers(30)
        await bench.effects_reach(30, within_s=60)
        await forget(bench)
        deliver, delivered = Redelivery.deliver, 0

        async def dying(self: Redelivery, record: object) -> object:
            nonlocal delivered
            delivered += 1
            if delivered == 10:
                raise asyncio.CancelledError
            return await deliver(self, record)  # type: ignore[arg-type]

        monkeypatch.setattr(Redelivery, "deliver", dying)
        run = await replays.ask(ReplayRun(group=bench.group, deliver=True, rate=100), STAFF)

        async def dead() -> bool:
            return delivered >= 10

        await eventually(dead, within_s=60)
        working = asyncio.create_task(replays.work_for_ever(bench.buses[0].redeliveries))
        assert (await done(replays, run)).state is State.DONE
        working.cancel()
        assert sorted(await bench.effects()) == list(range(30))


async def test_one_that_is_stopped_hands_over_no_more_and_makes_room_for_the_next(bench: Bench) -> None:
    async with replaying(bench, io=False) as replays:
        await bench.publish_numbers(30)
        await bench.effects_reach(30, within_s=60)
        await forget(bench)
        run = await replays.ask(ReplayRun(group=bench.group, deliver=True, rate=2), STAFF)
        await bench.effects_reach(1, within_s=60)
        assert (await replays.stop(run.id, STAFF)).state is State.STOPPED
        following = await replays.ask(ReplayRun(group=bench.group), STAFF)
        told = await done(replays, following)
        assert 0 < told.counts["deliverable"] < 30
        with pytest.raises(ReplayOver):
            await replays.stop(run.id, STAFF)
        assert [each.id for each in await replays.latest()] == [following.id, run.id]
        assert (await replays.find(run.id)).state is State.STOPPED


async def test_whom_a_replay_was_about_is_forgotten_with_it(bench: Bench) -> None:
    me = uuid4()
    async with replaying(bench, io=False) as replays:
        await bench.publish_numbers(3, me)
        await bench.publish_numbers(3)
        await bench.effects_reach(6, within_s=60)
        run = await done(replays, await replays.ask(ReplayRun(group=bench.group, subject=me), STAFF))
        assert (run.counts, run.subject) == ({"duplicate": 3}, None)
        with pytest.raises(UnknownGroup):
            await replays.ask(ReplayRun(group="nobody.does-this"), STAFF)


async def test_only_the_topics_that_are_named_are_handed_over(bench: Bench) -> None:
    other = noted(f"{bench.topic}-besides")
    await ensure_topics(bench.bootstrap, [Topic(other.topic)])
    async with replaying(bench, io=False, also=(other,)) as replays:
        await bench.publish_numbers(2)
        await bench.publish(*(other(user_id=uuid4(), number=number) for number in (10, 11, 12)))
        await bench.effects_reach(5, within_s=60)
        await forget(bench)
        order = ReplayRun(group=bench.group, topics=[other.topic], deliver=True)
        assert (await done(replays, await replays.ask(order, STAFF))).counts == {"done": 3}
        assert sorted(await bench.effects()) == [10, 11, 12]
        with pytest.raises(UnreadTopics) as refused:
            await replays.ask(ReplayRun(group=bench.group, topics=[other.topic, "user.deleted"]), STAFF)
        assert refused.value.detail == f"{bench.group} reads {bench.topic}, {other.topic}"
    await remove_topics(bench.made_at, other.topic)


async def nothing(_: list[UUID]) -> None:
    """Sweep nothing: no holder stands behind these tombstones."""
