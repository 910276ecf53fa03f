"""A batch is one transaction; handlers may take all of it at once."""

from collections import Counter
from uuid import uuid4

import pytest

from libs.common import transactions
from libs.common.bus import trouble
from libs.common.bus.consumes import Subscription
from libs.common.mongo import OperationFailure
from libs.common.testing.kafka import records_of
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted, noted
from tests.common.bus.harness import Bench, Effect
from tests.common.bus.letters import letters_reach


async def test_handler_that_takes_many_gets_them_together_and_in_order(bench: Bench) -> None:
    sizes: list[int] = []

    async def note_all(events: list[Noted]) -> None:
        sizes.append(len(events))
        for event in events:
            await bench.note(event)

    somebody = uuid4()
    await bench.publish_numbers(200, somebody)
    await bench.bus(bench.subscription(note_all, many=True, batch=50)).start()
    assert await bench.effects_reach(200) == list(range(200))
    assert max(sizes) > 1
    assert max(sizes) <= 50


async def test_poison_among_many_is_found(bench: Bench) -> None:
    async def note_all(events: list[Noted]) -> None:
        for event in events:
            if event.number == 13:
                raise ZeroDivisionError
            await bench.note(event)

    await bench.publish_numbers(40)
    await bench.bus(bench.subscription(note_all, many=True)).start()
    assert sorted(await bench.effects_reach(39)) == [n for n in range(40) if n != 13]


async def test_failed_batch_leaves_nothing_behind(bench: Bench) -> None:
    """What the first events of a batch wrote goes with it when a later one fails, and is written once."""
    tried: Counter[int] = Counter()

    async def fails_at_first(event: Noted) -> None:
        tried[event.number] += 1
        await bench.note(event)
        if event.number == 9 and tried[9] == 1:
            raise ConnectionError

    await bench.publish_numbers(10, uuid4())
    await bench.bus(bench.subscription(fails_at_first)).start()
    assert await bench.effects_reach(10) == list(range(10))
    assert tried[9] >= 2
    assert await bench.mongo.collection(Effect).count({}) == 10


async def test_what_no_transaction_has_the_time_for_together_is_done_one_by_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends what takes longer than it lets a transaction live, and says that trying again may help."""

    async def takes_too_long_together(events: list[Noted]) -> None:
        if len(events) > 1 or events[0].number == 13:
            raise OperationFailure("ended", 251, {"errorLabels": ["TransientTransactionError"]})
        await bench.note(events[0])

    monkeypatch.setattr(transactions, "TRANSACTION_S", 0.1)
    monkeypatch.setattr(trouble, "CUT_SHORT_PATIENCE_S", 0.3)
    await bench.publish_numbers(40)
    await bench.bus(bench.subscription(takes_too_long_together, many=True)).start()
    assert sorted(await bench.effects_reach(39)) == [n for n in range(40) if n != 13]
    (letter,) = await letters_reach(bench, 1)
    assert letter.code == "handler-failed"


async def test_events_that_a_handler_publishes_go_with_its_effect(bench: Bench) -> None:
    """Each event causes one more, and a batch that is repeated does not publish twice."""
    follow_up = noted(bench.topic, version=2, fenced=False)
    failures = iter([True])

    async def cause(event: Noted) -> None:
        await bench.note(event)
        await bench.work.outbox.add(follow_up(user_id=event.user_id, number=100 + event.number))
        if event.number == 4 and next(failures, False):
            raise ConnectionError

    async def follow(event: Noted) -> None:
        await bench.note(event)

    await bench.publish_numbers(5, uuid4())
    await bench.bus(
        Subscription((bench.event,), bench.group, cause, io=False),
        Subscription((follow_up,), bench.group, follow, io=False),
    ).start()
    found = await bench.effects_reach(10)
    assert sorted(found) == [*range(5), *range(100, 105)]

    async def all_there() -> bool:
        return len(await records_of(bench.bootstrap, bench.topic)) == 10

    await eventually(all_there)
