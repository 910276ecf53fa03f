"""What cannot be done is put aside, with why and where from, and the rest goes on."""

from uuid import uuid4

import pytest

from libs.common.bus import metrics
from libs.common.bus.consumes import Once
from libs.common.bus.envelope import Record, first_of, headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.settings import BusSettings
from libs.common.bus.topics import dead_letter_topic
from libs.common.errors import Invalid, SubjectErased, Unavailable
from libs.common.testing.kafka import committed, raw_producer, records_of
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import QUICK, Bench

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


async def dead_letters(bench: Bench) -> list[Record]:
    """Return the group's dead letters."""
    return await records_of(bench.bootstrap, dead_letter_topic(bench.group).name)


async def dead_letters_reach(bench: Bench, count: int) -> list[Record]:
    """Wait for so many dead letters; return them."""

    async def look() -> list[Record]:
        found = await dead_letters(bench)
        return found if len(found) >= count else []

    return await eventually(look)


async def all_is_committed(bench: Bench, count: int) -> bool:
    """Wait until the group has passed so many records."""

    async def look() -> bool:
        return sum((await committed(bench.bootstrap, bench.group, bench.topic)).values()) == count

    return await eventually(look)


class Refuses:
    """A handler that fails for some numbers and counts how often it was tried."""

    def __init__(self, bench: Bench, error: Exception, *numbers: int) -> None:
        self._bench, self._error, self._numbers = bench, error, numbers
        self.tries = 0

    async def __call__(self, event: Noted, *once: Once) -> None:
        if event.number in self._numbers:
            self.tries += 1
            raise self._error
        if once:
            await self._bench.note_once(event, once[0])
        else:
            await self._bench.note(event)


@BOTH
async def test_poison_goes_to_the_dead_letters_and_the_rest_goes_on(bench: Bench, io: bool) -> None:
    handler = Refuses(bench, ZeroDivisionError("a prompt"), 13)
    await bench.publish_numbers(40)
    await bench.bus(bench.subscription(handler, io=io, concurrency=4)).start()
    assert sorted(await bench.effects_reach(39)) == [n for n in range(40) if n != 13]
    (letter,) = await dead_letters_reach(bench, 1)
    assert bench.event.model_validate_json(letter.value or b"").number == 13
    assert first_of(letter.headers, "dlq_error_code") == "handler-failed"
    assert first_of(letter.headers, "dlq_error") == "ZeroDivisionError"  # and not its message
    assert first_of(letter.headers, "dlq_topic") == bench.topic
    origin = (
        int(first_of(letter.headers, "dlq_partition") or ""),
        int(first_of(letter.headers, "dlq_offset") or ""),
    )
    (found,) = [
        record
        for record in await records_of(bench.bootstrap, bench.topic)
        if (record.partition, record.offset) == origin
    ]
    assert (found.key, found.value) == (letter.key, letter.value)
    assert set(found.headers) < set(letter.headers)
    assert await all_is_committed(bench, 40)


@BOTH
async def test_unnamed_failure_is_tried_five_times_and_a_refusal_once(bench: Bench, io: bool) -> None:
    unnamed, refusal = Refuses(bench, KeyError(), 0), Refuses(bench, Invalid(), 0)
    await bench.publish_numbers(1)
    await bench.bus(bench.subscription(unnamed, io=io, batch=1)).start()
    await dead_letters_reach(bench, 1)
    await bench.buses[0].stop()
    await bench.publish_numbers(1)
    await bench.bus(bench.subscription(refusal, io=io, batch=1)).start()
    letter = (await dead_letters_reach(bench, 2))[-1]
    assert first_of(letter.headers, "dlq_error_code") == Invalid.code
    extra = 0 if io else 1  # a batch is tried as one before it is gone through one by one
    assert (unnamed.tries, refusal.tries) == (5 + extra, 1 + extra)


@BOTH
async def test_events_of_erased_people_are_dropped_when_the_service_says_so(bench: Bench, io: bool) -> None:
    await bench.publish_numbers(5)
    await bench.bus(bench.subscription(Refuses(bench, SubjectErased(), 2), io=io)).start()
    assert sorted(await bench.effects_reach(4)) == [0, 1, 3, 4]
    assert await all_is_committed(bench, 5)
    assert await dead_letters(bench) == []


@BOTH
async def test_consumer_stops_at_the_limit_instead_of_giving_everything_up(bench: Bench, io: bool) -> None:
    tuned: BusSettings = QUICK.model_copy(update={"dead_letters_a_minute": 3})
    bus = bench.bus(bench.subscription(Refuses(bench, Invalid(), *range(20)), io=io, batch=2), tuned=tuned)
    await bench.publish_numbers(20)
    await bus.start()

    async def has_stopped() -> bool:
        return not (await bus.healthy())[bench.group]

    await eventually(has_stopped)
    assert metrics.HALTED.labels(bench.group)._value.get() == 1
    assert (await bus.live())[
        bench.group
    ]  # who restarted it would have it give up three more, and three more
    with pytest.raises(Unavailable, match=bench.group):
        await bus.none_halted()
    assert len(await dead_letters(bench)) == 3
    assert sum((await committed(bench.bootstrap, bench.group, bench.topic)).values()) <= 3
    await bus.stop()
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    assert len(await bench.effects_reach(17)) == 17  # nothing is lost once the fault is mended


async def test_what_was_done_is_not_done_again_when_it_comes_twice(bench: Bench) -> None:
    row = OutboxRow.of(bench.event(user_id=uuid4(), number=1), "/tests")
    async with raw_producer(bench.bootstrap) as producer:
        for _ in range(3):
            await producer.send_and_wait(bench.topic, row.body, key=row.key.encode(), headers=headers_of(row))
    await bench.bus(bench.subscription(bench.note)).start()
    assert await all_is_committed(bench, 3)
    assert await bench.effects() == [1]
