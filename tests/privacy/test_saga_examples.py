"""The saga by example: deadlines, patience, and what an answer has to say."""

from datetime import UTC, datetime, timedelta

import pytest

from services.privacy.progress import Outcome, Progress
from services.privacy.protocol import (
    Alert,
    Attention,
    ErasureCompleted,
    InventoryCompleted,
    Phase,
    Policy,
    PublishErasureRequested,
    PublishInventoryRequested,
    Resend,
    StartScan,
    Tick,
    UserDeleted,
    backoff,
)
from services.privacy.saga import Saga, one_month_after, step, wake_at
from tests.privacy.world import START, World

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def opened() -> Saga:
    return step(Saga(), UserDeleted(START, START))[0]


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ((2026, 11, 23), (2026, 12, 23)),
        ((2026, 12, 31), (2027, 1, 31)),
        ((2027, 1, 31), (2027, 2, 28)),
        ((2028, 1, 30), (2028, 2, 29)),
    ],
)
def test_due_within_one_month(asked: tuple[int, int, int], due: tuple[int, int, int]) -> None:
    assert one_month_after(datetime(*asked, 9, 30, tzinfo=UTC)) == datetime(*due, 9, 30, tzinfo=UTC)


def test_opening_asks_for_the_inventory_and_sets_the_deadlines() -> None:
    case, commands = step(Saga(), UserDeleted(START + SECOND, START))
    assert commands == (PublishInventoryRequested(),)
    assert (case.phase, case.target_at, case.due_at) == (Phase.INVENTORY, START + DAY, one_month_after(START))
    assert wake_at(case) == START + SECOND + Policy().silence


def test_an_answer_before_the_deletion_is_kept_and_erases_nothing() -> None:
    case, commands = step(Saga(), InventoryCompleted(START, "auth", {"auth.users": 1}))
    assert (case.phase, commands, wake_at(case)) == (Phase.OPENED, (), None)
    assert step(case, Tick(START + DAY)) == (case, ())
    assert step(case, Resend(START + DAY)) == (case, ())


def test_silence_is_answered_with_the_question_again_and_more_patience_each_time() -> None:
    case, at, waits = opened(), START, []
    for _ in range(8):
        wake = wake_at(case)
        assert wake is not None
        waits.append(wake - at)
        at = wake
        assert step(case, Tick(at - SECOND)) == (case, ())
        case, commands = step(case, Tick(at))
        assert commands == (PublishInventoryRequested(),)
    assert waits[:3] == [30 * SECOND, 60 * SECOND, 120 * SECOND]
    assert waits[-1] == Policy().silence_cap


def test_deadlines_call_for_people_once_each_and_the_case_goes_on() -> None:
    case, commands = step(opened(), Tick(START + DAY))
    assert commands == (Alert(Attention.TARGET_MISSED), PublishInventoryRequested())
    case, commands = step(case, Tick(START + 32 * DAY))
    assert commands == (Alert(Attention.OVERDUE), PublishInventoryRequested())
    assert case.attention == (Attention.TARGET_MISSED, Attention.OVERDUE)
    case, commands = step(case, Tick(START + 33 * DAY))
    assert commands == (PublishInventoryRequested(),)


def test_a_holder_that_is_not_in_the_registry_changes_nothing() -> None:
    case = opened()
    assert step(case, InventoryCompleted(START, "weather", {"weather.maps": 1})) == (case, ())
    assert step(case, ErasureCompleted(START, "weather", 1, {})) == (case, ())


def test_a_scan_that_does_not_end_is_started_anew() -> None:
    world = World()
    world.open()
    world.pass_time(SECOND)
    while not world.wanted_scans:
        requests, world.requests = world.requests, []
        for request in requests:
            world.requests = [request]
            world.serve(0)
        world.requests = []
        answers, world.answers = world.answers, []
        for answer in answers:
            world.feed(answer)
    assert world.saga.phase is Phase.SCANNING
    after, commands = step(world.saga, Tick(world.now + MINUTE))
    assert commands == (StartScan(2),)
    assert after.run == 2


def test_an_operator_gives_an_exhausted_case_fresh_patience() -> None:
    world = World("gallery")
    world.open()
    world.settle()
    assert world.saga.attention == (Attention.EXHAUSTED,)
    case, commands = step(world.saga, Resend(world.now))
    assert commands == (PublishErasureRequested(world.saga.attempt + 1),)
    assert (case.phase, case.setbacks, case.attention) == (Phase.ERASING, 0, ())


def test_what_is_kept_counts_only_with_a_ground_and_a_date() -> None:
    assert Outcome(1, 4, "tax-law", "2033-11-23").accounted == 5
    assert Outcome(1, 4, "tax-law").accounted == 1
    assert Outcome(1, 4, None, "2033-11-23").accounted == 1


def test_what_was_gone_before_is_explained_and_zero_of_forty_is_not() -> None:
    part = Progress().with_inventory({"gallery.images": 40})
    assert part.with_answer(1, {"gallery.images": Outcome(0)}).missing == {"gallery.images": 40}
    assert part.with_answer(1, {"gallery.images": Outcome(39)}).missing == {"gallery.images": 1}
    assert part.with_answer(1, {"gallery.images": Outcome(39, already_gone=1)}).missing == {}


def test_all_of_a_holding_gone_and_nothing_erased_is_believed_at_the_second_look_only() -> None:
    part = Progress().with_inventory({"gallery.images": 40})
    once = part.with_answer(1, {"gallery.images": Outcome(0, already_gone=40)})
    assert once.missing == {"gallery.images": 40}
    assert once.with_answer(2, {"gallery.images": Outcome(0, already_gone=40)}).missing == {}


def test_a_verified_case_wants_no_tick_any_more() -> None:
    world = World()
    world.open()
    world.settle()
    assert world.saga.phase is Phase.VERIFIED
    assert wake_at(world.saga) is None


def test_a_holding_that_the_answer_leaves_out_is_missing() -> None:
    part = Progress().with_inventory({"gallery.images": 40, "gallery.uploads": 2})
    part = part.with_answer(1, {"gallery.images": Outcome(40)})
    assert part.missing == {"gallery.uploads": 2}


def test_answers_join_alike_in_any_order() -> None:
    first, second = Outcome(10, 5, "tax-law", "2033-01-01"), Outcome(30)
    one = Progress().with_answer(1, {"a": first}).with_answer(2, {"a": second})
    other = Progress().with_answer(2, {"a": second}).with_answer(1, {"a": first})
    assert one == other == one.with_answer(1, {"a": first})
    assert one.outcomes["a"] == Outcome(30, 5, "tax-law", "2033-01-01")


def test_backoff_stays_within_its_cap_for_ever() -> None:
    assert backoff(SECOND, MINUTE, 0) == SECOND
    assert backoff(SECOND, MINUTE, 10_000) == MINUTE
