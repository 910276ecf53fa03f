"""What operators see of a service, also when half of it does not answer."""

import asyncio
from dataclasses import replace
from uuid import uuid4

from libs.common.bus.consumes import Subscription
from libs.common.errors import Conflict
from libs.common.status.groups import GroupLag
from libs.common.status.report import Status, StatusOut
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench


def status(bench: Bench, *subscriptions: Subscription) -> Status:
    return Status(bench.name, bench.settings, bench.mongo, subscriptions, [bench.mongo.ping])


async def measured(bench: Bench) -> StatusOut:
    return await status(bench, bench.subscription(bench.note)).measure()


async def test_a_service_that_does_nothing_is_not_behind(bench: Bench) -> None:
    async def told() -> StatusOut | None:
        found = await measured(bench)
        return None if found.unanswered else found  # a fresh broker has no coordinator for a moment

    found = await eventually(told)
    assert found is not None
    assert found.outbox is not None
    assert (found.outbox.pending, found.outbox.oldest_age_s) == (0, 0.0)
    assert found.relay is False
    assert found.groups is not None
    (group,) = found.groups
    assert (group.group, group.members, group.lag, group.age_s) == (bench.group, 0, 0, 0.0)
    assert (found.ready, found.unanswered) == ({"Mongo.ping": True}, {})


async def test_what_waits_in_the_outbox_is_counted_and_grows_older(bench: Bench) -> None:
    await bench.publish_numbers(3)
    await asyncio.sleep(0.2)
    found = await measured(bench)
    assert found.outbox is not None
    assert found.outbox.pending == 3
    assert found.outbox.oldest_age_s >= 0.2


async def test_a_group_that_stands_still_is_behind_by_records_and_by_time(bench: Bench) -> None:
    """Its lag is told from what it committed, its age from the record it has not settled, its life by its members."""
    let_go = asyncio.Event()

    async def hangs_at_the_third(event: Noted) -> None:
        if event.number == 2:
            await let_go.wait()
        await bench.note(event)

    slow = bench.subscription(hangs_at_the_third, batch=1)
    user_id = uuid4()  # one person, one partition: in order
    await bench.bus(slow).start()
    await bench.publish_numbers(5, user_id)
    await bench.effects_reach(2)

    async def told() -> bool:
        found = await status(bench, slow).measure()
        (group,) = found.groups or [GroupLag("", 0, 0, None)]
        return (group.lag, group.members) == (3, 1) and group.age_s is not None and group.age_s >= 1.0

    await eventually(told)
    assert (await measured(bench)).relay is True
    let_go.set()
    await bench.effects_reach(5)

    async def caught_up() -> bool:
        found = await status(bench, slow).measure()
        return found.groups is not None and found.groups[0].lag == 0

    await eventually(caught_up)


async def test_a_group_that_never_committed_is_behind_by_all_there_is(bench: Bench) -> None:
    await bench.bus().start()  # relays, consumes nothing
    await bench.publish_numbers(7)

    async def behind() -> bool:
        found = await measured(bench)
        return found.groups is not None and (found.groups[0].lag, found.groups[0].members) == (7, 0)

    await eventually(behind)


async def test_a_broker_that_does_not_answer_hides_its_own_part_only(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"})
    await bench.publish_numbers(2)
    found = await measured(bench)
    assert found.groups is None
    assert list(found.unanswered) == ["groups"]
    assert found.outbox is not None
    assert found.outbox.pending == 2


async def test_all_groups_of_a_service_are_told_apart(bench: Bench) -> None:
    other = replace(bench.subscription(bench.note), group=f"{bench.name}.other")
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish_numbers(4)
    await bench.effects_reach(4)

    async def told() -> bool:
        found = await status(bench, bench.subscription(bench.note), other).measure()
        return [(group.members, group.lag) for group in found.groups or ()] == [(1, 0), (0, 4)]

    await eventually(told)


async def test_what_a_group_gave_up_on_is_counted(bench: Bench) -> None:
    async def refuses(event: Noted) -> None:
        raise Conflict

    hopeless = bench.subscription(refuses)
    await bench.bus(hopeless).start()
    await bench.publish_numbers(2)

    async def told() -> bool:
        found = await status(bench, hopeless).measure()
        return [(group.group, group.open) for group in found.dead_letters or ()] == [(bench.group, 2)]

    await eventually(told)
