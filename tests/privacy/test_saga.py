"""The saga through every order, duplicate, loss, restart and lie that Hypothesis can think of."""

from collections.abc import Callable
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

from services.privacy import progress, saga
from services.privacy.protocol import (
    HOLDERS,
    LAST,
    POLICY,
    ErasureCompleted,
    Input,
    PlaceHold,
    Policy,
    PublishErasureRequested,
    Resend,
    ScanFinished,
)
from services.privacy.protocol import Phase as CasePhase
from services.privacy.state import Saga, patience_ends, wake_at
from tests.privacy.world import World

pytestmark = pytest.mark.slow

PICK = st.integers(0, 10_000)
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
        if case.phase in (CasePhase.INVENTORY, CasePhase.HELD, CasePhase.ERASING, CasePhase.SCANNING):
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
LateErasures.TestCase.settings = EFFORT
TestWholeErasures = WholeErasures.TestCase
TestHeldErasures = HeldErasures.TestCase
TestLateErasures = LateErasures.TestCase


def _scan_any_run(case: Saga, happened: ScanFinished, policy: Policy) -> saga.Step:
    """Believe a scan of any run, as if there were but one."""
    return SCANNED(case, replace(happened, run=case.run), policy)


def _never_ask_again(case: Saga, _at: object) -> saga.Step:
    return case, ()


def _keep_scanning(case: Saga, happened: ErasureCompleted, policy: Policy) -> saga.Step:
    """Let a scan stand though an erasure ended after it began."""
    after, commands = ERASED(case, happened, policy)
    if case.phase is CasePhase.SCANNING and after.phase is CasePhase.SCANNING:
        return replace(after, run=case.run), ()
    return after, commands


def _ignore_findings(case: Saga, happened: ScanFinished, policy: Policy) -> saga.Step:
    return SCANNED(case, replace(happened, findings=0), policy)


def _certify_each_time(case: Saga, happened: Input, policy: Policy = POLICY) -> saga.Step:
    """Forget that a VERIFIED case is closed."""
    reopened = replace(case, phase=CasePhase.SCANNING) if case.phase is CasePhase.VERIFIED else case
    return STEP(reopened, happened, policy)


def _lower_inventory(part: progress.Progress, found: dict[str, int]) -> progress.Progress:
    """Believe the latest inventory, even one taken after an erasure."""
    return replace(part, found=dict.fromkeys(found, 0))


def _ask_the_last_at_once(case: Saga, at: datetime, policy: Policy) -> saga.Step:
    """Have the key destroyed while the others erase."""
    after, commands = ADVANCE(case, at, policy)
    asked = [each for each in commands if isinstance(each, PublishErasureRequested)]
    return after, (*commands, *(replace(each, last=True) for each in asked if not each.last))


def _done_without_the_last(case: Saga, *, last: bool) -> bool:
    """Go on to the scan while the key is still there."""
    return last or DONE(case, last=False)


def _hold_stops_nothing(case: Saga, order: PlaceHold) -> saga.Step:
    """Note the hold, and go on as if there were none."""
    after, commands = HOLD(case, order)
    return replace(after, phase=case.phase), commands


def _release_early(case: Saga, at: datetime, policy: Policy) -> saga.Step:
    """End a hold with the next tick, whatever its date."""
    if case.hold:
        case = replace(case, holds=(*case.holds[:-1], replace(case.hold, until=at)))
    return TICK(case, at, policy)


def _forget_to_freeze(case: Saga, at: datetime) -> saga.Step:
    if case.phase is CasePhase.HELD:
        return replace(case, asked_at=None), ()
    return ASK_AGAIN(case, at)


ADVANCE, DONE = saga._advance, Saga.done
SCANNED, ERASED, STEP = saga._scanned, saga._erased, saga.step
HOLD, END_HOLD, TICK, ASK_AGAIN = saga._hold, saga._end_hold, saga._tick, saga._ask_again

DEFECTS: dict[str, tuple[type[Erasures], object, str, Callable[..., object]]] = {
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
    "held and not frozen": (HeldErasures, saga, "_ask_again", _forget_to_freeze),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_the_state_machine_sees_a_planted_defect(name: str) -> None:
    """A property test that cannot fail proves nothing: each of these defects must make it fail."""
    machine, owner, attribute, defect = DEFECTS[name]
    effort = settings(EFFORT, max_examples=1_000, phases=[Phase.generate], derandomize=True)
    with patch.object(owner, attribute, defect), pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=effort)
