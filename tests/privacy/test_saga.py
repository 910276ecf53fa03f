"""The saga through every order, duplicate, loss, restart and lie that Hypothesis can think of."""

from dataclasses import replace
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.privacy import amending, asking, progress, saga
from services.privacy.protocol import (
    HOLDERS,
    LAST,
    POLICY,
    ErasureCompleted,
    Input,
    ItemReleased,
    PlaceHold,
    Policy,
    PublishErasureRequested,
    Resend,
    RetainedLooked,
    ScanFinished,
)
from services.privacy.protocol import Phase as CasePhase
from services.privacy.state import Saga, Step, patience_ends, wake_at
from tests.privacy.world import World

pytestmark = pytest.mark.slow

PICK = st.integers(0, 10_000)
ACTIVE = (
    CasePhase.INVENTORY,
    CasePhase.HELD,
    CasePhase.ERASING,
    CasePhase.WAITING,
    CasePhase.SCANNING,
)
EFFORT = settings(
    max_examples=150,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class Erasures(RuleBasedStateMachine):
    """One case among five holders, any message of which may be late, doubled, lost or out of order."""

    world: World

    @initialize(lying=st.sampled_from((None, None, *HOLDERS[:4])), lie=st.sampled_from(("zero", "all")))
    def begin(self, lying: str | None, lie: str) -> None:
        self.world = World(lying, lie)

    @precondition(lambda self: self.world.requests)
    @rule(pick=PICK, at_most=st.sampled_from((None, None, 0, 1, 30)), again=st.booleans())
    def holder_works(self, pick: int, at_most: int | None, again: bool) -> None:
        index = pick % len(self.world.requests)
        self.world.serve(index, at_most)
        if not again:
            self.world.requests.pop(index)

    @precondition(lambda self: self.world.answers)
    @rule(pick=PICK, again=st.booleans())
    def answer_arrives(self, pick: int, again: bool) -> None:
        index = pick % len(self.world.answers)
        answer = self.world.answers[index]
        if not again:
            self.world.answers.pop(index)
        self.world.feed(answer)

    @precondition(lambda self: self.world.requests or self.world.answers)
    @rule(most=st.sampled_from((5, 100)))
    def oldest_in_flight_arrive(self, most: int) -> None:
        """Go forward quickly, so that runs reach the late phases too, with messages still on their way."""
        requests, self.world.requests = self.world.requests, []
        for request in requests[:most]:
            self.world.requests = [request]
            self.world.serve(0)
        self.world.requests = requests[most:]
        answers, self.world.answers = self.world.answers, []
        for answer in answers:
            self.world.feed(answer)

    @precondition(lambda self: self.world.wanted_scans)
    @rule(pick=PICK, again=st.booleans())
    def scan_begins(self, pick: int, again: bool) -> None:
        index = pick % len(self.world.wanted_scans)
        self.world.begin_scan(index)
        if not again:
            self.world.wanted_scans.pop(index)

    @precondition(lambda self: self.world.scans)
    @rule(pick=PICK, again=st.booleans())
    def scan_ends(self, pick: int, again: bool) -> None:
        index = pick % len(self.world.scans)
        self.world.end_scan(index)
        if not again:
            self.world.scans.pop(index)

    @rule(what=st.sampled_from(("requests", "answers", "scans")), pick=PICK)
    def something_is_lost(self, what: str, pick: int) -> None:
        """Lose a request, an answer, or the process that scans."""
        if in_flight := getattr(self.world, what):
            in_flight.pop(pick % len(in_flight))

    @rule(seconds=st.sampled_from((1, 3, 31, 61, 1_000, 90_000, 3_000_000)))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(timedelta(seconds=seconds))

    @rule()
    def privacy_restarts(self) -> None:
        self.world.restart()

    @invariant()
    def says_what_it_proved(self) -> None:
        """One certificate and one announcement, exactly when the case is VERIFIED."""
        verified = int(self.world.saga.phase is CasePhase.VERIFIED)
        assert self.world.certificates == self.world.announced == verified

    @invariant()
    def never_stuck(self) -> None:
        """An open case always knows when it will act by itself, or has called for people."""
        case = self.world.saga
        if case.phase in ACTIVE:
            assert wake_at(case) is not None
        if case.phase is CasePhase.INCOMPLETE:
            assert case.retry_at is not None or "attempts-exhausted" in self.world.alerts

    def teardown(self) -> None:
        """Whatever happened: the honest get their proof once the world works again, a liar never does."""
        if not hasattr(self, "world"):
            return
        self.world.open()
        self.world.settle()
        assert self.world.verified is (self.world.lying is None)
        if self.world.lying:
            assert self.world.saga.phase is CasePhase.INCOMPLETE
            assert "attempts-exhausted" in self.world.alerts


class WholeErasures(Erasures):
    """A case from its first breath: the deletion may come after its answers, and people may press buttons."""

    @rule()
    def user_deleted(self) -> None:
        self.world.open()

    @rule()
    def all_works_for_a_moment(self) -> None:
        """Reach the ends too, so that what comes after them is tried."""
        self.world.settle(rounds=1)

    @rule()
    def operator_resends(self) -> None:
        self.world.feed(Resend(self.world.now))


class HeldErasures(WholeErasures):
    """A case that operators hold, hold longer, and let go, at any moment."""

    @initialize(lying=st.sampled_from((None, None, *HOLDERS[:4])), lie=st.sampled_from(("zero", "all")))
    def begin(self, lying: str | None, lie: str) -> None:
        super().begin(lying, lie)
        self.world.hold(timedelta(hours=1))

    @rule(seconds=st.sampled_from((1, 40, 3_600, 2_000_000)))
    def operator_holds(self, seconds: int) -> None:
        self.world.hold(timedelta(seconds=seconds))

    @rule()
    def operator_releases(self) -> None:
        self.world.release()

    @invariant()
    def a_hold_is_in_force_until_it_ends(self) -> None:
        """What the case says of its hold is what the operators ordered, and it is never held without one."""
        if not hasattr(self, "world"):
            return
        case = self.world.saga
        if self.world.held:
            assert case.hold is not None
        if case.hold is not None:
            assert case.hold.until == self.world.held_until
        if case.phase is CasePhase.HELD:
            assert case.hold is not None
        assert self.world.recorded.count("erasure.held") == len(case.holds)

    @invariant()
    def a_held_person_is_frozen_all_the_same(self) -> None:
        """What has to be hidden is asked for again until every holder has answered."""
        if hasattr(self, "world") and self.world.saga.phase is CasePhase.HELD and not self.world.saga.frozen:
            asked_again = patience_ends(self.world.saga, POLICY)
            assert asked_again is not None


class ItemErasures(WholeErasures):
    """A case with items that are held in three services, and an outside party that is out of order at times."""

    @initialize(lying=st.sampled_from((None, None, *HOLDERS[:4])), lie=st.sampled_from(("zero", "all")))
    def begin(self, lying: str | None, lie: str) -> None:
        super().begin(lying, lie)
        self.world.hold_items()
        self.world.open()

    @precondition(lambda self: self.world.items)
    @rule(pick=PICK, answers=st.booleans(), tells=st.booleans())
    def item_is_released(self, pick: int, answers: bool, tells: bool) -> None:
        self.world.release_item(pick, answers=answers, tells=tells)

    @rule(up=st.booleans())
    def outside_party_comes_and_goes(self, up: bool) -> None:
        self.world.holders["billing"].up = up

    @rule()
    def something_is_told_that_is_not_so(self) -> None:
        """A duplicate of what privacy is told when a hold ends."""
        self.world.feed(ItemReleased(self.world.now))

    @invariant()
    def says_what_it_waits_for(self) -> None:
        """A case waits for holds that somebody named, and remembers each of them."""
        case = self.world.saga
        assert case.standing <= {"a", "b", "c", "d"}
        if case.phase is CasePhase.WAITING:
            assert case.standing
            assert case.standing <= set(case.waited)

    @invariant()
    def waits_where_nothing_else_is_left(self) -> None:
        """Only holds stand in the way, as far as the holders told: nothing of it is a failure of anybody."""
        case = self.world.saga
        if case.phase is CasePhase.WAITING:
            assert not any(part.missing for name, part in case.holders.items() if name not in LAST)
            assert case.retry_at is None


class AmendedErasures(ItemErasures):
    """A case from its proof on: what the law kept goes in its time, and the certificate is amended once."""

    @initialize(lying=st.none(), lie=st.just("zero"))
    def begin(self, lying: str | None, lie: str) -> None:
        super().begin(lying, lie)
        self.world.settle()

    @rule(days=st.sampled_from((1, 400, 3_000)))
    def years_pass(self, days: int) -> None:
        self.world.pass_time(timedelta(days=days))

    @rule()
    def retention_is_swept(self) -> None:
        self.world.sweep()

    @rule()
    def somebody_looks(self) -> None:
        self.world.look()

    @precondition(lambda self: self.world.looks)
    @rule(pick=PICK, again=st.booleans())
    def what_was_seen_is_heard(self, pick: int, again: bool) -> None:
        index = pick % len(self.world.looks)
        look = self.world.looks[index]
        if not again:
            self.world.looks.pop(index)
        self.world.feed(look)

    @invariant()
    def looks_again_while_anything_is_kept(self) -> None:
        """Until all is known to be gone the case knows when to look; then it wants nothing any more."""
        case = self.world.saga
        if case.phase is CasePhase.VERIFIED:
            assert (wake_at(case) is not None) == bool(case.retained)
            assert sorted(case.ended) == sorted(self.world.amended)

    def teardown(self) -> None:
        """Whatever happened: in the end the certificate is amended, once."""
        super().teardown()
        if not hasattr(self, "world"):
            return
        self.world.pass_time(timedelta(days=3_000))
        self.world.sweep()
        self.world.look()
        self.world.feed(self.world.looks[-1])
        self.world.feed(self.world.looks[-1])
        assert self.world.amended == ["billing.payments"]
        assert wake_at(self.world.saga) is None


class LateErasures(Erasures):
    """The same, from where two erasure requests are on their way at once: answers overlap with scans."""

    @initialize(lying=st.sampled_from((None, *HOLDERS[:4])), lie=st.sampled_from(("zero", "all")))
    def begin(self, lying: str | None, lie: str) -> None:
        super().begin(lying, lie)
        self.world.open()
        self.oldest_in_flight_arrive(most=5)
        self.world.pass_time(timedelta(seconds=31))
        self.oldest_in_flight_arrive(most=5)


class ScannedErasures(LateErasures):
    """The same, from where a scan has begun and the second request is still on its way to some."""

    @initialize(lying=st.none(), lie=st.just("zero"))
    def begin(self, lying: str | None, lie: str) -> None:
        super().begin(lying, lie)
        requests, self.world.requests = self.world.requests, []
        late = [request for request in requests if request[0] not in LAST]
        self.world.requests = [request for request in requests if request[0] in LAST]
        self.oldest_in_flight_arrive(most=5)
        self.world.requests += late
        if self.world.wanted_scans:
            self.world.begin_scan(0)


WholeErasures.TestCase.settings = EFFORT
HeldErasures.TestCase.settings = EFFORT
ItemErasures.TestCase.settings = EFFORT
AmendedErasures.TestCase.settings = settings(EFFORT, max_examples=60)
LateErasures.TestCase.settings = EFFORT
TestWholeErasures = WholeErasures.TestCase
TestHeldErasures = HeldErasures.TestCase
TestItemErasures = ItemErasures.TestCase
TestAmendedErasures = AmendedErasures.TestCase
TestLateErasures = LateErasures.TestCase


def _scan_any_run(case: Saga, happened: ScanFinished, policy: Policy) -> Step:
    """Believe a scan of any run, as if there were but one."""
    return SCANNED(case, replace(happened, run=case.run), policy)


def _never_ask_again(case: Saga, _at: object) -> Step:
    return case, ()


def _keep_scanning(case: Saga, happened: ErasureCompleted, policy: Policy) -> Step:
    """Let a scan stand though an erasure ended after it began."""
    after, commands = ERASED(case, happened, policy)
    if case.phase is CasePhase.SCANNING and after.phase is CasePhase.SCANNING:
        return replace(after, run=case.run), ()
    return after, commands


def _ignore_findings(case: Saga, happened: ScanFinished, policy: Policy) -> Step:
    return SCANNED(case, replace(happened, findings=0), policy)


def _certify_each_time(case: Saga, happened: Input, policy: Policy = POLICY) -> Step:
    """Forget that a VERIFIED case is closed."""
    reopened = replace(case, phase=CasePhase.SCANNING) if case.phase is CasePhase.VERIFIED else case
    return STEP(reopened, happened, policy)


def _lower_inventory(part: progress.Progress, found: dict[str, int]) -> progress.Progress:
    """Believe the latest inventory, even one taken after an erasure."""
    return replace(part, found=dict.fromkeys(found, 0))


def _ask_the_last_at_once(case: Saga, at: datetime, policy: Policy) -> Step:
    """Have the key destroyed while the others erase."""
    after, commands = ADVANCE(case, at, policy)
    asked = [each for each in commands if isinstance(each, PublishErasureRequested)]
    return after, (*commands, *(replace(each, last=True) for each in asked if not each.last))


def _done_without_the_last(case: Saga, *, last: bool) -> bool:
    """Go on to the scan while the key is still there."""
    return last or DONE(case, last=False)


def _hold_stops_nothing(case: Saga, order: PlaceHold) -> Step:
    """Note the hold, and go on as if there were none."""
    after, commands = HOLD(case, order)
    return replace(after, phase=case.phase), commands


def _release_early(case: Saga, at: datetime, policy: Policy) -> Step:
    """End a hold with the next tick, whatever its date."""
    if case.hold:
        case = replace(case, holds=(*case.holds[:-1], replace(case.hold, until=at)))
    return TICK(case, at, policy)


def _forget_to_freeze(case: Saga, at: datetime) -> Step:
    if case.phase is CasePhase.HELD:
        return replace(case, asked_at=None), ()
    return ASK_AGAIN(case, at)


def _believe_the_most(self: progress.Outcome, other: progress.Outcome) -> progress.Outcome:
    """Believe that something is held, whatever was said since."""
    most = max(self, other, key=lambda each: each.held)
    return replace(JOINED(self, other), held=most.held, holds=most.holds)


def _wait_in_silence(case: Saga, at: datetime) -> Step:
    """Wait for held items without ever asking again."""
    after, commands = WAIT(case, at)
    return replace(after, asked_at=None), commands


def _amend_at_once(case: Saga, happened: RetainedLooked, policy: Policy) -> Step:
    """Believe what is seen gone, before the law lets go of it."""
    after, commands = AMENDED(replace(case, ended={}), happened, policy)
    return replace(after, ended=case.ended | after.ended), commands


def _amend_early(case: Saga, happened: RetainedLooked, policy: Policy) -> Step:
    late = replace(happened, at=happened.at + timedelta(days=9_999), gone=tuple(case.retained))
    return AMENDED(case, late, policy)


JOINED, WAIT, AMENDED = progress.Outcome.joined, asking.wait_for_items, amending.amended
ADVANCE, DONE = saga._advance, Saga.done
SCANNED, ERASED, STEP = saga._scanned, saga._erased, saga.step
HOLD, END_HOLD, TICK, ASK_AGAIN = saga._hold, saga._end_hold, saga._tick, saga._ask_again

DEFECTS: dict[str, tuple[type[Erasures], object, str, object]] = {
    "no zero-row guard": (
        WholeErasures,
        progress.Progress,
        "_accounted",
        lambda part, name: (part.found or {})[name],
    ),
    "inventory lowered": (WholeErasures, progress.Progress, "with_inventory", _lower_inventory),
    "old scan believed": (ScannedErasures, saga, "_scanned", _scan_any_run),
    "scan not renewed": (ScannedErasures, saga, "_erased", _keep_scanning),
    "findings ignored": (WholeErasures, saga, "_scanned", _ignore_findings),
    "silence not noticed": (WholeErasures, saga, "_ask_again", _never_ask_again),
    "two certificates": (WholeErasures, saga, "step", _certify_each_time),
    "key goes with the rest": (WholeErasures, saga, "_advance", _ask_the_last_at_once),
    "key is not waited for": (WholeErasures, Saga, "done", _done_without_the_last),
    "hold stops nothing": (HeldErasures, saga, "_hold", _hold_stops_nothing),
    "hold comes too late": (HeldErasures, saga, "may_hold", lambda _: True),
    "hold ends early": (HeldErasures, saga, "_tick", _release_early),
    "hold never ends": (HeldErasures, saga, "_end_hold", lambda case, *_: (case, ())),
    "held is not looked at": (ItemErasures, progress.Progress, "held", 0),
    "what was held is held for ever": (ItemErasures, progress.Outcome, "joined", _believe_the_most),
    "held items are never asked for": (ItemErasures, saga, "wait_for_items", _wait_in_silence),
    "amended twice": (AmendedErasures, saga, "amended", _amend_at_once),
    "amended early": (AmendedErasures, saga, "amended", _amend_early),
    "held and not frozen": (HeldErasures, saga, "_ask_again", _forget_to_freeze),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_the_state_machine_sees_a_planted_defect(name: str) -> None:
    """A property test that cannot fail proves nothing: each of these defects must make it fail."""
    machine, owner, attribute, defect = DEFECTS[name]
    effort = settings(EFFORT, max_examples=1_000, phases=[Phase.generate], derandomize=True)
    with patch.object(owner, attribute, defect), pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=effort)
