"""A key whose event failed waits, in order; all other keys go on."""

import asyncio
from contextvars import Context
from uuid import uuid4

import pytest

from libs.common.bus.archive import Again
from libs.common.bus.consumes import Once
from libs.common.bus.envelope import headers_of
from libs.common.bus.letters.parking import Parking
from libs.common.bus.letters.rows import DeadLetter, State
from libs.common.bus.letters.writing import Fate
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.process import Bus
from libs.common.bus.settings import BusSettings
from libs.common.errors import Invalid
from libs.common.privacy.tombstones import Tombstones
from libs.common.testing.kafka import raw_producer, records_of, rewind
from tests.common.bus.events import Noted, noted
from tests.common.bus.harness import QUICK, Bench
from tests.common.bus.letters import Refuses, lanes, letters, letters_reach
from tests.common.bus.test_dead_letters import all_is_committed

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


@BOTH
async def test_later_events_of_the_key_wait_in_order_and_other_keys_go_on(bench: Bench, io: bool) -> None:
    person, other = uuid4(), uuid4()
    await bench.publish(
        *(bench.event(user_id=user_id, number=number) for number in range(6) for user_id in (person, other))
    )
    refuses = Refuses(bench, 2)
    handler = bench.subscription(refuses, io=io, concurrency=4)
    await bench.bus(handler).start()
    await all_is_committed(bench, 12)
    found = await letters(bench)
    assert [(letter.state, letter.user_id) for letter in found].count((State.OPEN, person)) == 1
    assert [letter.offset for letter in found if letter.user_id == person] == sorted(
        letter.offset for letter in found if letter.user_id == person
    )
    parked = [letter for letter in found if letter.state is State.PARKED]
    assert len(parked) == 6  # three of each, behind the one of each that failed
    assert {lane.user_id for lane in await lanes(bench)} == {person, other}
    assert sorted(await bench.effects()) == [0, 0, 1, 1]
    refuses.numbers.clear()
    await bench.publish_numbers(3)
    assert sorted((await bench.effects_reach(7))[4:]) == [0, 1, 2]


@BOTH
async def test_a_key_stays_parked_for_whoever_gets_its_partition(bench: Bench, io: bool) -> None:
    person = uuid4()
    await bench.publish(bench.event(user_id=person, number=0))
    await bench.bus(bench.subscription(Refuses(bench, 0), io=io)).start()
    await letters_reach(bench, 1, State.OPEN)
    await bench.buses[0].stop()
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    await bench.publish(bench.event(user_id=person, number=1), bench.event(user_id=uuid4(), number=2))
    (waiting,) = await letters_reach(bench, 1, State.PARKED)
    assert waiting.place == 2
    assert await bench.effects_reach(1) == [2]


@BOTH
async def test_what_is_parked_after_we_let_go_is_known_once_the_partition_is_ours(
    bench: Bench, io: bool
) -> None:
    """Its last owner parks a key while all let go, and after what we had under way has looked which keys wait."""
    person = uuid4()
    await bench.publish(bench.event(user_id=person, number=0))
    bus = bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io))
    await bus.start()
    await all_is_committed(bench, 1)
    row = OutboxRow.of(bench.event(user_id=person, number=9), "/tests")
    record = Again(bench.topic, 0, 9, 0, row.key.encode(), row.body, headers_of(row))
    (consumer,) = bus._consumers
    await consumer.on_partitions_revoked(set())
    await _parking(bus, bench).refresh()
    other = bench.bus(bench.subscription(bench.note, io=io))
    bench.buses.remove(other)  # it is never started
    await _parking(other, bench).bury(record, Fate(State.OPEN, "test"))
    await other._producer.close()
    await consumer.on_partitions_assigned(set())
    await bench.publish(bench.event(user_id=person, number=1))
    await letters_reach(bench, 1, State.PARKED)
    assert await bench.effects() == [0]


@BOTH
async def test_what_another_member_has_put_aside_holds_up_its_key_here_too(bench: Bench, io: bool) -> None:
    """It had the partition before, does not know yet that it lost it, and gave up the same record a moment ago."""
    person, other = uuid4(), bench.bus(bench.subscription(bench.note, io=io))
    bench.buses.remove(other)  # it is never started

    async def fails_after_the_other(event: Noted, *once: Once) -> None:
        if event.number == 0:
            first = min(await records_of(bench.bootstrap, bench.topic), key=lambda record: record.offset)
            burying = _parking(other, bench).bury(first, Fate(State.OPEN, "test"))
            await asyncio.create_task(burying, context=Context())
            raise Invalid
        await (bench.note_once(event, once[0]) if once else bench.note(event))

    await bench.bus(bench.subscription(fails_after_the_other, io=io)).start()
    await bench.publish(*(bench.event(user_id=person, number=number) for number in (0, 1)))
    await letters_reach(bench, 1, State.PARKED)
    await other._producer.close()
    assert await bench.effects() == []


def _parking(bus: Bus, bench: Bench) -> Parking:
    return bus.redeliveries[bench.group]._parts.parking


@BOTH
async def test_a_redelivered_failure_makes_no_second_letter(bench: Bench, io: bool) -> None:
    """As after a crash between the letter and the commit of offsets: the record comes again, and stays parked."""
    await bench.publish(bench.event(user_id=uuid4(), number=0))
    await bench.bus(bench.subscription(Refuses(bench, 0), io=io)).start()
    (first,) = await letters_reach(bench, 1)
    await bench.buses[0].stop()
    await rewind(bench.bootstrap, bench.group, bench.topic)
    handler = Refuses(bench, 0)
    await bench.bus(bench.subscription(handler, io=io)).start()
    await all_is_committed(bench, 1)
    assert await letters(bench) == [first]
    assert handler.tries == 0


@BOTH
async def test_events_of_the_privacy_protocol_never_wait_and_their_letters_name_nobody(
    bench: Bench, io: bool
) -> None:
    bench.event = noted(bench.topic, fenced=False)
    person = uuid4()
    await bench.publish(*(bench.event(user_id=person, number=number) for number in range(4)))
    await bench.bus(bench.subscription(Refuses(bench, 1), io=io)).start()
    assert sorted(await bench.effects_reach(3)) == [0, 2, 3]
    (letter,) = await letters(bench)
    assert (letter.state, letter.user_id, letter.key, letter.lane) == (State.OPEN, None, None, None)
    row = await bench.mongo.collection(DeadLetter).find_one({})
    assert str(person) not in str(row)
    assert person.bytes not in str(row).encode()


@BOTH
async def test_a_redelivered_failure_that_nothing_waits_behind_is_stored_once(bench: Bench, io: bool) -> None:
    bench.event = noted(bench.topic, fenced=False)
    await bench.publish(bench.event(user_id=uuid4(), number=0))
    await bench.bus(bench.subscription(Refuses(bench, 0), io=io)).start()
    (first,) = await letters_reach(bench, 1)
    await bench.buses[0].stop()
    await rewind(bench.bootstrap, bench.group, bench.topic)
    await bench.bus(bench.subscription(Refuses(bench, 0), io=io)).start()
    await all_is_committed(bench, 1)
    assert await letters(bench) == [first]
    assert len(await records_of(bench.bootstrap, f"{bench.group}.dlq")) == 1


@BOTH
async def test_an_unreadable_event_with_a_persons_key_lets_the_key_wait_too(bench: Bench, io: bool) -> None:
    """It may be of a version that is not known yet, and what comes after it may stand on it."""
    person = uuid4()
    rows = [OutboxRow.of(bench.event(user_id=person, number=number), "/tests") for number in range(3)]
    async with raw_producer(bench.bootstrap) as producer:
        for number, row in enumerate(rows):
            value = b"{" if number == 1 else row.body
            headers = headers_of(row)
            await producer.send_and_wait(bench.topic, value, key=row.key.encode(), headers=headers)
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    await all_is_committed(bench, 3)
    assert [letter.state for letter in await letters(bench)] == [State.OPEN, State.PARKED]
    assert await bench.effects() == [0]


@BOTH
async def test_parking_does_not_count_toward_the_limit(bench: Bench, io: bool) -> None:
    tuned: BusSettings = QUICK.model_copy(update={"dead_letters_a_minute": 1})
    person = uuid4()
    await bench.publish(*(bench.event(user_id=person, number=number) for number in range(20)))
    bus = bench.bus(bench.subscription(Refuses(bench, 0), io=io), tuned=tuned)
    await bus.start()
    await letters_reach(bench, 19, State.PARKED)
    assert (await bus.healthy())[bench.group]
    assert len(await letters(bench, State.OPEN)) == 1


@BOTH
async def test_nobody_waits_for_somebody_who_is_erased_meanwhile(bench: Bench, io: bool) -> None:
    person, swept = uuid4(), []

    async def sweep(subjects: object) -> None:
        swept.append(subjects)

    bench.tombstones.on_sweep(sweep)

    async def erase(event: Noted, *once: Once) -> None:
        erasure = Tombstones(bench.mongo).set(person, uuid4())
        await asyncio.create_task(erasure, context=Context())  # outside of this transaction
        raise Invalid

    await bench.publish(bench.event(user_id=person, number=0))
    await bench.bus(bench.subscription(erase, io=io)).start()
    await all_is_committed(bench, 1)
    assert await letters(bench) == []
    assert await lanes(bench) == []


async def test_the_bytes_are_in_the_topic_where_the_letter_says(bench: Bench) -> None:
    await bench.publish_numbers(3, uuid4())
    await bench.bus(bench.subscription(Refuses(bench, 0))).start()
    found = await letters_reach(bench, 3)
    stored = {
        (record.partition, record.offset): record
        for record in await records_of(bench.bootstrap, f"{bench.group}.dlq")
    }
    origin = {
        (record.partition, record.offset): record for record in await records_of(bench.bootstrap, bench.topic)
    }
    for letter in found:
        kept = stored[letter.stored_partition, letter.stored_offset]
        record = origin[letter.partition, letter.offset]
        assert (kept.key, kept.value) == (record.key, record.value)
        assert list(kept.headers[: len(record.headers)]) == list(record.headers)
