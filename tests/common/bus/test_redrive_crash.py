"""A process killed at any point of parking or redriving: the next one goes on, each effect is had once, in order."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable
from contextvars import Context
from uuid import UUID, uuid4

import pytest

from libs.common.bus.consumes import Once
from libs.common.bus.envelope import headers_of, receive
from libs.common.bus.letters.box import LetterBox
from libs.common.bus.letters.rows import DeadLetter, State
from libs.common.bus.outbox import OutboxRow
from libs.common.errors import Invalid
from libs.common.testing.kafka import raw_producer, records_of
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench
from tests.common.bus.letters import Refuses, lanes, letters, letters_reach, of_person
from tests.common.bus.test_crash import KILLED, everything_is_passed, process
from tests.common.bus.test_redrive import STAFF, all_settled, box, stopped_at

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


@BOTH
@pytest.mark.parametrize("when", ["before-redelivery", "before-settling", "before-closing"])
async def test_killed_while_redriving(bench: Bench, when: str, io: bool) -> None:
    """Before the effect, between effect and letter, and inside the transaction that closes the lane."""
    person = uuid4()
    first = await stopped_at(bench, person, Refuses(bench, 2), io=io)
    await bench.buses[0].stop()
    await box(bench).ask(first.id, STAFF, "bug-1234")
    async with process(bench, when, *(["--io"] if io else [])) as doomed:
        assert await doomed.wait() == KILLED
    assert await lanes(bench)
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    settled = await all_settled(bench)
    assert [letter.state for letter in settled] == [State.REDRIVEN] * 4
    assert await of_person(bench, person) == [0, 1, 2, 3, 4, 5]


@BOTH
@pytest.mark.parametrize("when", ["before-letter", "before-parking", "before-commit"])
async def test_killed_while_burying_or_parking(bench: Bench, when: str, io: bool) -> None:
    """Between the bytes and the letter, inside the transaction that parks, and before offsets are committed."""
    person = uuid4()
    await bench.publish(*(bench.event(user_id=person, number=number) for number in range(4)))
    async with process(bench, when, "--refuse", "1", *(["--io"] if io else [])) as doomed:
        assert await doomed.wait() == KILLED
    refuses = Refuses(bench, 1)
    await bench.bus(bench.subscription(refuses, io=io)).start()
    await letters_reach(bench, 3)
    await everything_is_passed(bench)
    found = await letters(bench)
    # The relay was killed too and may publish some once more: then their twins wait with them.
    assert [letter.state for letter in found] == [State.OPEN, *[State.PARKED] * (len(found) - 1)]
    assert len({letter.event_id for letter in found}) == 3
    refuses.numbers.clear()
    await box(bench).ask(found[0].id, STAFF, "bug-1234")
    await all_settled(bench)
    assert await of_person(bench, person) == [0, 1, 2, 3]


@BOTH
async def test_two_workers_redrive_many_lanes_once(bench: Bench, io: bool) -> None:
    people = [uuid4() for _ in range(10)]
    refuses = Refuses(bench, 0)
    await bench.publish(*(bench.event(user_id=user_id, number=n) for n in range(4) for user_id in people))
    subscription = bench.subscription(refuses, io=io, concurrency=4)
    await bench.bus(subscription).start()
    await letters_reach(bench, 40)
    refuses.numbers.clear()
    await bench.bus(subscription).start()
    await ask_for_all(bench)
    await all_settled(bench)
    assert await in_order(bench, people) == [[0, 1, 2, 3]] * 10


@BOTH
async def test_a_rebalance_while_keys_are_parked_and_redriven(bench: Bench, io: bool) -> None:
    """Members come and go while lanes are drained and grow: each person's numbers come once and in order."""
    people = [uuid4() for _ in range(8)]
    seen: Counter[tuple[UUID, int]] = Counter()

    async def fails_at_first(event: Noted, *once: Once) -> None:
        seen[event.user_id, event.number] += 1
        if event.number % 5 == 2 and seen[event.user_id, event.number] == 1:
            raise Invalid
        await (bench.note_once(event, once[0]) if once else bench.note(event))

    subscription = bench.subscription(fails_at_first, io=io, concurrency=4)
    await bench.bus(subscription).start()
    for number in range(20):
        await bench.publish(*(bench.event(user_id=user_id, number=number) for user_id in people))
        await ask_for_all(bench)
        if number in {6, 13}:
            await bench.bus(subscription).start()
        if number == 10:
            await bench.buses[1].stop()
    await until_all_is_had(bench, 160)
    assert await in_order(bench, people) == [list(range(20))] * 8


async def test_a_lane_is_not_closed_over_what_is_parked_at_that_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer parks one more event after the redriver saw that nothing waits, and before it closes the lane."""
    person = uuid4()
    first = await stopped_at(bench, person, Refuses(bench, 0), io=False, count=1)
    await bench.buses[0].stop()
    bus = bench.bus(bench.subscription(bench.note))
    bench.buses.remove(bus)  # it is never started
    parking = bus.redeliveries[bench.group]._parts.parking
    await box(bench).discard(first.id, STAFF, "test-data")
    row = OutboxRow.of(bench.event(user_id=person, number=1), "/tests")
    async with raw_producer(bench.bootstrap) as producer:
        await producer.send_and_wait(bench.topic, row.body, key=row.key.encode(), headers=headers_of(row))
    record = (await records_of(bench.bootstrap, bench.topic))[-1]
    event = receive(record, {bench.event.type_name(): bench.event})
    looks, look = itertools.count(), LetterBox._first
    parked: list[bool] = []

    async def look_and_let_park(self: LetterBox, lane: UUID) -> DeadLetter | None:
        found = await look(self, lane)
        if next(looks) == 1:  # the second look is the one inside the closing transaction
            parked.append(await asyncio.create_task(parking.park([event]), context=Context()))
        return found

    monkeypatch.setattr(LetterBox, "_first", look_and_let_park)
    await box(bench).next_of(first.lane or uuid4())
    monkeypatch.undo()
    assert parked == [True]
    assert len(await lanes(bench)) == 1
    await bench.bus(bench.subscription(bench.note)).start()
    await all_settled(bench)
    assert await of_person(bench, person) == [1]


async def test_asking_for_a_letter_just_as_its_lane_stands_still_lets_the_lane_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane runs already: without a change of its row the two would not meet, and it would stand still."""
    person = uuid4()
    first = await stopped_at(bench, person, Refuses(bench, 0), io=False, count=1)
    await bench.buses[0].stop()
    lane = first.lane
    assert lane is not None
    await bench.mongo.collection("parked_keys").update_one({"_id": lane}, {"$set": {"draining": True}})
    looks, look = itertools.count(), LetterBox._first

    async def look_and_let_ask(self: LetterBox, lane: UUID) -> DeadLetter | None:
        found = await look(self, lane)
        if next(looks) == 1:
            asking = box(bench).ask(first.id, STAFF, "bug-1234")
            await asyncio.create_task(asking, context=Context())
        return found

    monkeypatch.setattr(LetterBox, "_first", look_and_let_ask)
    await box(bench).next_of(lane)
    monkeypatch.undo()
    (row,) = await lanes(bench)
    assert row.draining


async def ask_for_all(bench: Bench) -> None:
    """Ask for every letter that failed."""
    for letter in await box(bench).open_letters({}, 1_000):
        await box(bench).ask(letter.id, STAFF, "bug-1234")


async def until_all_is_had(bench: Bench, count: int) -> None:
    """Ask for what fails until there are so many effects."""

    async def look() -> bool:
        await ask_for_all(bench)
        return len(await bench.effects()) >= count

    await eventually(look, within_s=60)
    await all_settled(bench)


async def in_order(bench: Bench, people: Iterable[UUID]) -> list[list[int]]:
    """Return each person's numbers in the order in which their effects were had."""
    return [await of_person(bench, user_id) for user_id in people]
