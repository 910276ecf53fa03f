"""What failed is delivered again when somebody asks: once, in order, and what waited behind it after it."""

import asyncio
from uuid import UUID, uuid4

import pytest

from libs.common.audit import Audit, staff_actor
from libs.common.bus import metrics, redelivery
from libs.common.bus.consumes import Once
from libs.common.bus.letters import box as box_module
from libs.common.bus.letters import redriver
from libs.common.bus.letters.box import LetterBox
from libs.common.bus.letters.errors import LetterNotFound, LetterSettled, LetterUnderWay, LetterWaits
from libs.common.bus.letters.rows import DeadLetter, State
from libs.common.bus.settling import Outcome
from libs.common.errors import Unavailable
from libs.common.events.privacy import ActionRecordedV1
from libs.common.testing.kafka import records_of, rewind
from libs.common.testing.waiting import eventually
from tests.common.bus.events import Noted, noted
from tests.common.bus.harness import Bench
from tests.common.bus.letters import Refuses, lanes, letters, letters_reach, of_person
from tests.common.bus.test_dead_letters import all_is_committed

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
STAFF = uuid4()


def box(bench: Bench) -> LetterBox:
    """Return the letters as an operator's request finds them."""
    return LetterBox(bench.mongo, Audit(bench.work.outbox, "gallery"))


async def all_settled(bench: Bench) -> list[DeadLetter]:
    """Wait until no letter waits and no key does; return the letters."""

    async def look() -> bool:
        waiting = await letters(bench, State.OPEN, State.PARKED, State.REDRIVING)
        return not waiting and not await lanes(bench)

    await eventually(look)
    return await letters(bench)


async def stopped_at(bench: Bench, person: UUID, refuses: Refuses, *, io: bool, count: int = 6) -> DeadLetter:
    """Publish a person's numbers, of which the handler refuses some; return the first letter, all else parked."""
    await bench.publish(*(bench.event(user_id=person, number=number) for number in range(count)))
    await bench.bus(bench.subscription(refuses, io=io, concurrency=4)).start()
    await letters_reach(bench, count - min(refuses.numbers))
    (first,) = await letters(bench, State.OPEN)
    return first


async def actions(bench: Bench, letter_id: UUID) -> list[ActionRecordedV1]:
    """Return what the audit was told of a letter."""
    values = [record.value or b"" for record in await records_of(bench.bootstrap, ActionRecordedV1.topic)]
    told = [ActionRecordedV1.model_validate_json(value) for value in values]
    return [action for action in told if action.target == str(letter_id)]


@BOTH
async def test_the_one_that_failed_comes_first_and_then_what_waited_in_order(bench: Bench, io: bool) -> None:
    person, refuses = uuid4(), Refuses(bench, 2)
    first = await stopped_at(bench, person, refuses, io=io)
    refuses.numbers.clear()
    await box(bench).ask(first.id, STAFF, "bug-1234")
    settled = await all_settled(bench)
    assert await of_person(bench, person) == [0, 1, 2, 3, 4, 5]
    assert {letter.outcome for letter in settled} == {Outcome.DONE.value}
    await bench.publish(bench.event(user_id=person, number=6))
    assert (await bench.effects_reach(7))[-1] == 6  # the key is free: it comes without a letter
    assert len(await letters(bench)) == 4


@BOTH
async def test_what_fails_again_is_open_again_and_the_rest_goes_on_waiting(bench: Bench, io: bool) -> None:
    person, refuses = uuid4(), Refuses(bench, 2, 4)
    first = await stopped_at(bench, person, refuses, io=io)
    await box(bench).ask(first.id, STAFF, "bug-1234")

    async def tried_again() -> DeadLetter | None:
        found = await box(bench).find(first.id)
        return found if found.tries == 2 else None

    again = await eventually(tried_again)
    assert again is not None
    assert (again.state, again.code, again.asked_by) == (State.OPEN, "invalid", None)
    refuses.numbers.remove(2)
    await box(bench).ask(first.id, STAFF, "bug-1234")
    (fourth,) = await eventually(lambda: letters_with_number_four(bench, first.id))
    assert await of_person(bench, person) == [0, 1, 2, 3]
    assert fourth.tries == 1
    (fifth,) = await letters(bench, State.PARKED)
    with pytest.raises(LetterWaits):
        await box(bench).ask(fifth.id, STAFF, "bug-1234")
    refuses.numbers.clear()
    await box(bench).ask(fourth.id, STAFF, "bug-1234")
    await all_settled(bench)
    assert await of_person(bench, person) == [0, 1, 2, 3, 4, 5]


async def test_what_has_its_turn_cannot_be_discarded_meanwhile(bench: Bench) -> None:
    """It may be on its way to its handler: the ledger would say that it was given up, and its mail be sent."""
    first = await stopped_at(bench, uuid4(), Refuses(bench, 0), io=True, count=3)
    await bench.buses[0].stop()
    await box(bench).ask(first.id, STAFF, "bug-1234")
    await box(bench).redriven(await box(bench).find(first.id), Outcome.DONE)
    second, third = await letters(bench, State.PARKED)
    with pytest.raises(LetterUnderWay):
        await box(bench).discard(second.id, STAFF, "bug-1234")
    assert (await box(bench).discard(third.id, STAFF, "bug-1234")).state is State.DISCARDED


async def letters_with_number_four(bench: Bench, first_id: UUID) -> list[DeadLetter]:
    """Return the open letter behind the first one, once there is one."""
    return [letter for letter in await letters(bench, State.OPEN) if letter.id != first_id]


@BOTH
async def test_asked_twice_it_has_its_effect_once(bench: Bench, io: bool) -> None:
    person, refuses = uuid4(), Refuses(bench, 0)
    first = await stopped_at(bench, person, refuses, io=io, count=1)
    refuses.numbers.clear()
    await asyncio.gather(*(box(bench).ask(first.id, STAFF, "bug-1234") for _ in range(5)))
    await all_settled(bench)
    assert await bench.effects() == [0]
    with pytest.raises(LetterSettled):
        await box(bench).ask(first.id, STAFF, "bug-1234")
    with pytest.raises(LetterNotFound):
        await box(bench).ask(uuid4(), STAFF, "bug-1234")


async def test_the_audit_is_told_who_redrove_and_why_once(bench: Bench) -> None:
    person, refuses = uuid4(), Refuses(bench, 0)
    first = await stopped_at(bench, person, refuses, io=False, count=2)
    refuses.numbers.clear()
    await box(bench).ask(first.id, STAFF, "bug-1234")
    head, behind = await all_settled(bench)

    async def both() -> list[ActionRecordedV1]:
        found = await actions(bench, head.id)
        return found if len(found) == 2 else []

    told = {each.action: each for each in await eventually(both)}
    assert told.keys() == {"dead-letter.redrive-asked", "dead-letter.redriven"}
    for each in told.values():
        assert (each.actor, each.ground, each.user_id) == (staff_actor(STAFF), "bug-1234", person)
    (waited,) = await eventually(lambda: actions(bench, behind.id))
    assert (waited.actor, waited.ground) == ("system", "was-parked")


async def test_a_lane_that_does_not_get_on_holds_up_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One lane is looked at in each round; what the first one's letter needs is away for long."""
    monkeypatch.setattr(box_module, "LANES_AT_ONCE", 1)
    monkeypatch.setattr(redelivery, "PATIENCE_S", 0.1)
    stuck, other, refuses = uuid4(), uuid4(), Refuses(bench, 0, 1)
    await bench.publish(bench.event(user_id=stuck, number=0))
    await bench.bus(bench.subscription(refuses)).start()
    (first,) = await letters_reach(bench, 1)
    await bench.publish(bench.event(user_id=other, number=1))
    (second,) = [each for each in await letters_reach(bench, 2) if each.user_id == other]
    refuses.numbers, refuses.error = {0}, Unavailable()
    await box(bench).ask(first.id, STAFF, "bug-1234")
    await box(bench).ask(second.id, STAFF, "bug-1234")
    assert await bench.effects_reach(1, within_s=10) == [1]
    refuses.numbers.clear()
    await all_settled(bench)


async def test_a_long_lane_is_delivered_in_slices(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redriver, "SLICE_S", 0.0)
    person, refuses = uuid4(), Refuses(bench, 0)
    first = await stopped_at(bench, person, refuses, io=False)
    before = (await lanes(bench))[0].at
    refuses.numbers.clear()
    await box(bench).ask(first.id, STAFF, "bug-1234")

    async def put_last() -> bool:
        found = await lanes(bench)
        return not found or found[0].at > before

    await eventually(put_last)
    assert len(await letters(bench, State.PARKED)) > 0, "all of it was delivered at one go"
    await all_settled(bench)
    assert await of_person(bench, person) == [0, 1, 2, 3, 4, 5]


async def test_gauges_are_shown_while_a_letter_is_delivered(bench: Bench) -> None:
    person, refuses, let_go = uuid4(), Refuses(bench, 0), asyncio.Event()

    async def slow(event: Noted, once: Once) -> None:
        if not refuses.numbers and event.number == 0:
            await let_go.wait()
        await refuses(event, once)

    await bench.publish(bench.event(user_id=person, number=0))
    await bench.bus(bench.subscription(slow, io=True)).start()
    (first,) = await letters_reach(bench, 1)
    refuses.numbers.clear()
    await box(bench).ask(first.id, STAFF, "bug-1234")

    async def shown() -> bool:
        return float(metrics.DLQ_DEPTH.labels(bench.group, "redriving")._value.get()) == 1

    await eventually(shown)
    let_go.set()
    await all_settled(bench)


@BOTH
async def test_discarding_lets_what_waited_have_its_turn(bench: Bench, io: bool) -> None:
    person, refuses = uuid4(), Refuses(bench, 2)
    first = await stopped_at(bench, person, refuses, io=io)
    discarded = await box(bench).discard(first.id, STAFF, "test-data")
    assert (discarded.state, discarded.reason) == (State.DISCARDED, "test-data")
    await all_settled(bench)
    assert await of_person(bench, person) == [0, 1, 3, 4, 5]
    (told,) = await eventually(lambda: actions(bench, first.id))
    assert (told.action, told.actor, told.ground) == (
        "dead-letter.discarded",
        staff_actor(STAFF),
        "test-data",
    )
    with pytest.raises(LetterSettled):
        await box(bench).discard(first.id, STAFF, "test-data")


@BOTH
async def test_what_is_discarded_is_not_done_when_it_comes_once_more(bench: Bench, io: bool) -> None:
    """As after a crash before its offset was committed, and a lane that is closed by then."""
    first = await stopped_at(bench, uuid4(), Refuses(bench, 0), io=io, count=1)
    await box(bench).discard(first.id, STAFF, "test-data")
    await all_settled(bench)
    await bench.buses[0].stop()
    await rewind(bench.bootstrap, bench.group, bench.topic)
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    await all_is_committed(bench, 1)
    assert await bench.effects() == []


@BOTH
async def test_a_letter_of_somebody_erased_is_void(bench: Bench, io: bool) -> None:
    person, refuses = uuid4(), Refuses(bench, 0)

    async def nothing_to_sweep(_: list[UUID]) -> None:
        """Stand for a holder; the erasure itself is tested elsewhere."""

    bench.tombstones.on_sweep(nothing_to_sweep)
    first = await stopped_at(bench, person, refuses, io=io, count=2)
    await bench.tombstones.set(person, uuid4())
    refuses.numbers.clear()
    await box(bench).ask(first.id, STAFF, "bug-1234")
    settled = await all_settled(bench)
    assert {letter.outcome for letter in settled} == {Outcome.ERASED.value}
    assert await bench.effects() == []


async def test_a_letter_that_nothing_waits_behind_is_redriven_by_itself(bench: Bench) -> None:
    bench.event = noted(bench.topic, fenced=False)
    refuses = Refuses(bench, 0)
    await bench.publish_numbers(1)
    await bench.bus(bench.subscription(refuses)).start()
    (letter,) = await letters_reach(bench, 1)
    refuses.numbers.clear()
    await box(bench).ask(letter.id, STAFF, "bug-1234")
    await all_settled(bench)
    assert await bench.effects() == [0]


async def test_a_letter_whose_bytes_are_gone_says_so(bench: Bench) -> None:
    first = await stopped_at(bench, uuid4(), Refuses(bench, 0), io=False, count=1)
    await bench.mongo.collection(DeadLetter).update_one({}, {"$set": {"stored_offset": 999}})
    await box(bench).ask(first.id, STAFF, "bug-1234")

    async def look() -> bool:
        return (await box(bench).find(first.id)).code == "record-gone"

    await eventually(look)


async def test_gauges_show_depth_and_age(bench: Bench) -> None:
    person, refuses = uuid4(), Refuses(bench, 0)
    first = await stopped_at(bench, person, refuses, io=False, count=3)

    def shown(state: str) -> float:
        return float(metrics.DLQ_DEPTH.labels(bench.group, state)._value.get())

    async def both() -> bool:
        age = metrics.DLQ_OLDEST_AGE.labels(bench.group)._value.get()
        return (shown("open"), shown("parked")) == (1, 2) and age > 0

    await eventually(both)
    await box(bench).discard(first.id, STAFF, "test-data")

    async def none_left() -> bool:
        age = metrics.DLQ_OLDEST_AGE.labels(bench.group)._value.get()
        return (shown("open"), shown("parked"), age) == (0, 0, 0)

    await eventually(none_left)
