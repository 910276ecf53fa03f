"""A replay outlasts outages: it ends as failed only where it is begun again and again and does not get on."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest
from aiokafka import TopicPartition

from libs.common.audit import Audit
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.replay import LogUnavailable, Reading
from libs.common.bus.settling import Abandoned
from libs.common.replays.replays import Replays
from libs.common.replays.runs import ReplayRun, ReplayRuns
from libs.common.runs import MOST_TRIES, State
from tests.common.bus.harness import Bench
from tests.common.bus.test_replay_to_group import STAFF, done

WITHIN_S = 60.0


@pytest.fixture
async def replays(bench: Bench) -> Replays:
    """Replays to the bench's group; nobody consumes, or carries them out, by itself."""
    await bench.mongo.prepare([ReplayRun])
    audit = Audit(bench.work.outbox, "auth")
    return Replays(bench.bootstrap, bench.mongo, bench.work, audit, [bench.subscription(bench.note)])


def redeliveries(bench: Bench) -> Mapping[str, Redelivery]:
    """Return the way to the bench's group."""
    bus = bench.bus(bench.subscription(bench.note))
    bench.buses.remove(bus)  # it is never started
    return bus.redeliveries


async def worked_off(replays: Replays, bench: Bench, run: ReplayRun) -> ReplayRun:
    """Carry a replay out, and return it once it is over."""
    working = asyncio.create_task(replays.work_for_ever(redeliveries(bench)))
    try:
        return await done(replays, run)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def interrupted(replays: Replays, bench: Bench, error: Exception, times: int) -> None:
    """Carry out what is ordered until an outage ends it, so many times."""
    async with asyncio.timeout(WITHIN_S):
        for _ in range(times):
            with pytest.raises(type(error)):
                await replays.work_for_ever(redeliveries(bench))


@pytest.mark.parametrize("error", [LogUnavailable(), Abandoned()], ids=["log", "handler"])
async def test_an_outage_uses_up_no_tries(
    bench: Bench, replays: Replays, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise error

    run = await replays.ask(ReplayRun(group=bench.group), STAFF)
    with monkeypatch.context() as patched:
        patched.setattr(Reading, "open", away)
        await interrupted(replays, bench, error, MOST_TRIES + 2)
    assert (await worked_off(replays, bench, run)).state is State.DONE


async def test_one_that_goes_on_for_too_long_does(
    bench: Bench, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that an event whose handler waits for ever does not hold up every later replay."""

    async def away(*_: object, **__: object) -> None:
        raise LogUnavailable

    monkeypatch.setattr("libs.common.runs.PATIENCE", timedelta(0))
    monkeypatch.setattr(Reading, "open", away)
    run = await replays.ask(ReplayRun(group=bench.group), STAFF)
    await interrupted(replays, bench, LogUnavailable(), MOST_TRIES)
    assert (await worked_off(replays, bench, run)).state is State.FAILED


async def test_tries_begin_anew_where_it_gets_on_and_only_there(bench: Bench) -> None:
    await bench.mongo.prepare([ReplayRun])
    runs, run = ReplayRuns(bench.mongo), ReplayRun(group=bench.group)
    await runs.add(run)

    async def begun(read: int) -> bool:
        """Begin a try that comes so far and is killed."""
        found = await runs.next()
        if found is None or not await runs.begin(found):
            return False
        await runs.note(found, {TopicPartition(bench.topic, 0): read}, read, 100)
        return True

    assert [await begun(1) for _ in range(2 * MOST_TRIES)] == [True] * (2 * MOST_TRIES)
    assert [await begun(0) for _ in range(MOST_TRIES)] == [True] * MOST_TRIES
    assert not await begun(0)
    ended = await runs.find(run.id)
    assert ended is not None
    assert ended.state is State.FAILED


async def test_what_comes_once_it_has_caught_up_is_no_sign_that_it_gets_on(bench: Bench) -> None:
    """People go on writing: what fails behind that would be begun without end, before all that is ordered later."""
    await bench.mongo.prepare([ReplayRun])
    runs, run = ReplayRuns(bench.mongo), ReplayRun(group=bench.group)
    await runs.add(run)
    tries = 0
    while (found := await runs.next()) and await runs.begin(found):
        tries += 1
        await runs.note(found, {TopicPartition(bench.topic, 0): tries}, 1, 100)
        await runs.note_caught_up(found)
        await runs.note(found, {TopicPartition(bench.topic, 0): tries}, 2, 100)
    assert tries == MOST_TRIES + 1  # the first got on
