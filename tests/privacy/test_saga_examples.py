"""The saga by example: deadlines, patience, and what an answer has to say."""

from datetime import UTC, datetime, timedelta

import pytest

from services.privacy.progress import Outcome, Progress
from services.privacy.protocol import (
    HOLDERS,
    Alert,
    Attention,
    ErasureCompleted,
    InventoryCompleted,
    ItemReleased,
    Phase,
    PlaceHold,
    Policy,
    PublishErasureRequested,
    PublishInventoryRequested,
    Record,
    ReleaseHold,
    Resend,
    StartScan,
    Tick,
    UserDeleted,
    backoff,
)
from services.privacy.saga import may_hold, step
from services.privacy.state import Saga, one_month_after, patience_ends, wake_at
from tests.privacy.world import RETAINED_UNTIL, START, World

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


def test_what_was_asked_by_a_clock_that_was_ahead_waits_from_the_next_tick_on() -> None:
    asked, _ = step(Saga(), UserDeleted(START + DAY, START))
    near, commands = step(asked, Tick(START + SECOND))
    assert (near.asked_at, commands) == (START + SECOND, ())
    assert wake_at(near) == START + SECOND + Policy().silence
    assert step(near, Tick(START + 2 * SECOND)) == (near, ()), "once"


def test_workers_whose_present_differs_by_a_moment_move_a_case_once() -> None:
    asked, _ = step(Saga(), UserDeleted(START, START))
    again, commands = step(asked, Tick(START + DAY + SECOND))
    assert commands
    assert step(again, Tick(START + DAY)) == (again, ())


def test_what_was_set_back_by_a_clock_that_was_ahead_is_tried_again_after_its_own_wait() -> None:
    case = opened()
    for holder in HOLDERS:
        case, _ = step(case, InventoryCompleted(START, holder, {f"{holder}.rows": 2}))
    for holder in HOLDERS[:-1]:
        case, _ = step(case, ErasureCompleted(START + DAY, holder, 1, {f"{holder}.rows": Outcome(1)}))
    assert (case.phase, case.retry_at) == (Phase.INCOMPLETE, START + DAY + Policy().setback)
    near, commands = step(case, Tick(START + SECOND))
    assert (near.retry_at, commands) == (START + SECOND + Policy().setback, ())
    assert step(near, Tick(START + 2 * SECOND)) == (near, ()), "once"


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
    assert Attention.EXHAUSTED in world.saga.attention
    case, commands = step(world.saga, Resend(world.now))
    assert commands == (PublishErasureRequested(world.saga.attempt + 1),)
    assert (case.phase, case.setbacks) == (Phase.ERASING, 0)
    assert Attention.EXHAUSTED not in case.attention


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


def test_a_holder_that_does_not_erase_after_a_hold_is_asked_as_often_as_any() -> None:
    """What is held is asked about once a day at last; what should be gone is not left for a day."""
    world = World()
    world.hold_items()
    world.open()
    while world.saga.phase is not Phase.WAITING:
        world._settle_once()
    for _ in range(20):
        world.pass_time((wake_at(world.saga) or world.now) - world.now)
    assert (world.saga.phase, patience_ends(world.saga, Policy())) == (
        Phase.WAITING,
        world.now + Policy().held_cap,
    )
    world.feed(ItemReleased(world.now))
    waits = []
    for _ in range(20):
        wake = patience_ends(world.saga, Policy())
        assert wake is not None
        waits.append(wake - world.now)
        world.requests = []
        world.pass_time(waits[-1])
        assert {name for name, _ in world.requests} == {*HOLDERS} - {"privacy"}
    assert (waits[0], waits[-1]) == (Policy().silence, Policy().silence_cap)


def test_what_is_held_by_two_at_different_times_is_known_to_be_held_by_both() -> None:
    one, both, other = (Outcome(38, held=2, holds=holds) for holds in (("a",), ("a", "b"), ("b",)))
    for first, second in ((one, both), (both, one), (one, other), (other, one)):
        assert first.joined(second) == both
    assert both.joined(Outcome(39, held=1, holds=("b",))).holds == ("b",), "what is held less says for whom"


def test_a_verified_case_wants_no_tick_any_more() -> None:
    world = World()
    world.open()
    world.settle()
    assert world.saga.phase is Phase.VERIFIED
    assert wake_at(world.saga) == RETAINED_UNTIL, "it looks then whether what the law kept is gone"
    assert step(world.saga, Tick(world.now + 9_999 * DAY)) == (world.saga, ())


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


def test_the_key_goes_when_all_others_have_erased_and_before_the_scan() -> None:
    case = opened()
    for holder in HOLDERS:
        case, commands = step(case, InventoryCompleted(START, holder, {f"{holder}.rows": 1}))
    assert commands == (PublishErasureRequested(1),)
    for holder in HOLDERS[:-1]:
        case, commands = step(case, ErasureCompleted(START, holder, 1, {f"{holder}.rows": Outcome(1)}))
    assert commands == (PublishErasureRequested(1, last=True),)
    assert step(case, ErasureCompleted(START, "auth", 1, {"auth.rows": Outcome(1)})) == (case, ())
    silent, commands = step(case, Tick(START + MINUTE))
    assert commands == (PublishErasureRequested(2, last=True),)
    _, commands = step(silent, ErasureCompleted(START, "privacy", 1, {"privacy.rows": Outcome(1)}))
    assert commands == (StartScan(1),)


def test_the_key_is_kept_while_a_holder_has_not_erased() -> None:
    case = opened()
    for holder in HOLDERS:
        case, _ = step(case, InventoryCompleted(START, holder, {f"{holder}.rows": 2}))
    for holder in HOLDERS[:-1]:
        gone = Outcome(1 if holder == "billing" else 2)
        case, commands = step(case, ErasureCompleted(START, holder, 1, {f"{holder}.rows": gone}))
        assert commands == ()
    assert case.phase is Phase.INCOMPLETE
    case, commands = step(case, Tick(START + MINUTE))
    assert commands == (PublishErasureRequested(2),)


def held(until: datetime = START + 90 * DAY) -> Saga:
    return step(opened(), PlaceHold(START + MINUTE, until, "legal-claim", "staff:1"))[0]


def frozen(case: Saga) -> Saga:
    for holder in case.holders:
        case, commands = step(case, InventoryCompleted(START + MINUTE, holder, {f"{holder}.rows": 1}))
        assert commands == ()
    return case


def test_a_held_case_freezes_and_then_rests_until_its_deadlines_and_its_end() -> None:
    case = held()
    assert case.phase is Phase.HELD
    assert wake_at(case) == START + Policy().silence
    case = frozen(case)
    assert wake_at(case) == case.target_at
    case, commands = step(case, Tick(START + DAY))
    assert commands == (Alert(Attention.TARGET_MISSED),)
    case, commands = step(case, Tick(START + 32 * DAY))
    assert commands == (Alert(Attention.OVERDUE),)
    assert wake_at(case) == START + 90 * DAY
    assert step(case, Resend(START + 33 * DAY)) == (case, ())


def test_a_hold_ends_by_itself_and_the_erasure_goes_on() -> None:
    case, commands = step(frozen(held(START + 2 * MINUTE)), Tick(START + 2 * MINUTE))
    assert commands == (Record("erasure.released", "hold-expired"), PublishErasureRequested(1))
    assert case.phase is Phase.ERASING
    assert case.hold is None
    assert case.holds[0].ended_at == START + 2 * MINUTE


def test_a_released_case_that_is_not_frozen_goes_on_counting() -> None:
    case, commands = step(held(), ReleaseHold(START + MINUTE, "staff:2"))
    assert commands == (Record("erasure.released", "hold-lifted", "staff:2"),)
    assert case.phase is Phase.INVENTORY


def test_a_hold_may_come_before_the_deletion_and_be_replaced() -> None:
    early, _ = step(Saga(), PlaceHold(START, START + DAY, "court-order", "staff:1"))
    case, commands = step(early, UserDeleted(START + SECOND, START))
    assert (case.phase, commands) == (Phase.HELD, (PublishInventoryRequested(),))
    case, commands = step(case, PlaceHold(START + MINUTE, START + 2 * DAY, "court-order", "staff:1"))
    assert commands == (Record("erasure.held", "court-order", "staff:1"),)
    assert [hold.ended_at for hold in case.holds] == [START + MINUTE, None]


def test_once_the_holders_were_asked_to_erase_it_is_too_late_to_hold() -> None:
    case = opened()
    for holder in case.holders:
        assert may_hold(case)
        case, _ = step(case, InventoryCompleted(START, holder, {}))
    assert case.phase is Phase.ERASING
    assert not may_hold(case)
    assert step(case, PlaceHold(START, START + DAY, "legal-claim", "staff:1")) == (case, ())
