"""The runner on a rig without a platform: what it must never let pass as a seed that went well."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.home import Home
from tests.chaos import evidence, memory, runner
from tests.chaos.lane import Played
from tests.chaos.model import Fault, FaultFailed, Kind, Moment, Process, Violation
from tests.chaos.plan import Plan
from tests.chaos.runner import Checks, Patience, play
from tests.chaos.summary import Run

FAULT = Fault(Kind.FREEZE, "kafka", 0.05, 0.05)
PLAN = Plan(7, 0.2, (FAULT,))


class Bench:
    """Takes every fault, but those that it is told to refuse, and has no platform behind it."""

    gateway = ""
    env: Mapping[str, str] = {}
    ports: Mapping[str, int] = {}
    home = Home(Path())

    def __init__(self, *, refuses: bool = False, stray: set[int] | None = None) -> None:
        self.log: list[Moment] = []
        self.present: set[Fault] = set()
        self._refuses, self._stray = refuses, stray or set()

    async def inject(self, fault: Fault) -> None:
        if self._refuses:
            raise FaultFailed("it did not take")
        self.present.add(fault)
        self.log.append(Moment("injected", fault.name))

    async def lift(self, fault: Fault) -> None:
        self.present.discard(fault)

    async def lift_all(self) -> None:
        self.present.clear()

    def processes(self) -> Mapping[str, Process]:
        return {}

    def strays(self) -> set[int]:
        return self._stray


class Nothing:
    """The history of nobody, in which somebody leaves once a test says so."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def acknowledged(self, what: str) -> None:
        assert what == "delete-account"
        await self.left.wait()

    def timeline(self) -> Iterable[Moment]:
        return [Moment("sign-up", "p1", "ok")]

    def counts(self) -> Mapping[str, int]:
        return {"operations": 1}

    def resumed_after_s(self) -> Sequence[float]:
        return ()


def checks(waits: int = 0, found: Sequence[Violation] = ()) -> Checks[Nothing]:
    """A checker for which the platform is at rest after some looks."""
    looks = iter(["late"] * waits)

    async def live(rig: runner.Playable, rng: random.Random, history: Nothing, until_s: float) -> None: ...

    async def unsettled(rig: runner.Playable, history: Nothing) -> list[str]:
        return [waiting] if (waiting := next(looks, "")) else []

    async def violations(rig: runner.Playable, history: Nothing) -> list[Violation]:
        assert isinstance(rig, Bench)
        assert not rig.present, "judged while a fault was in"
        return list(found)

    return Checks(Nothing, live, unsettled, violations)


def promises(violations: Sequence[Violation]) -> list[str]:
    return [violation.promise for violation in violations]


async def test_a_quiet_seed_has_no_violation_and_its_whole_timeline() -> None:
    outcome = await play(Bench(), PLAN, checks(waits=2))
    assert outcome.violations == []
    assert outcome.recovery_s is not None
    assert outcome.recovery_s >= 2 * runner.LOOK_EVERY_S
    assert {"begin", "injected", "sign-up", "waiting", "at-rest"} == {each.what for each in outcome.timeline}


async def test_what_the_checker_finds_is_the_seeds() -> None:
    found = Violation("ledger", "balance", "-3")
    assert (await play(Bench(), PLAN, checks(found=[found]))).violations == [found]


@pytest.mark.parametrize("patience", [Patience(settles_s=0.3), Patience(still_s=0.3)])
async def test_a_platform_that_does_not_come_to_rest_is_a_violation(patience: Patience) -> None:
    outcome = await play(Bench(), PLAN, checks(waits=1000), patience)
    assert promises(outcome.violations) == ["recovery"]
    assert outcome.recovery_s is None


async def test_a_fault_that_does_not_take_is_a_violation() -> None:
    assert promises((await play(Bench(refuses=True), PLAN, checks())).violations) == ["rig"]


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_fault_within_an_erasure_waits_for_it_and_no_longer_than_people_act(leaves: bool) -> None:
    async def live(rig: runner.Playable, rng: random.Random, history: Nothing, until_s: float) -> None:
        await asyncio.sleep(0.1)
        if leaves:
            history.left.set()

    following = Fault(Kind.KILL, "gallery-worker", 0.05, 0, after="delete-account")
    assert str(following) == "0.05 s after a delete-account: kill gallery-worker"
    bench = Bench()
    outcome = await play(bench, Plan(7, 0.5, (following,)), replace(checks(), live=live))
    begun, injected = outcome.timeline[0].monotonic, bench.log[0].monotonic
    assert (0.15 <= injected - begun < 0.5) is leaves
    assert injected - begun >= 0.55 or leaves


async def test_a_process_that_is_nobodys_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STRAY_FOR_S", 0)
    outcome = await play(Bench(stray={4711}), PLAN, checks())
    assert promises(outcome.violations) == ["no-process-leaked"]


def test_memory_that_grows_without_end_is_a_violation() -> None:
    first = {("auth-api", 1): {1: 80.0, 4: 30.0}, ("kafka", 2): {2: 300.0}, ("gone", 3): {3: 1.0}}
    more = memory.GROWTH_MIB + 1
    late = {1: 95.0, 4: 30.0, 5: more}  # a pool's second child, which began after the first was measured
    assert memory.violations(first, {("auth-api", 1): late, ("kafka", 2): {2: 450.0}}) == []
    for grown in ({1: 80.0 + more, 4: 30.0}, {1: 80.0, 4: 30.0 + more}):
        found = memory.violations(first, {("auth-api", 1): grown, ("kafka", 2): {2: 900.0}})
        assert [violation.about for violation in found] == ["auth-api", "kafka"]
    many = {("auth-api", 1): dict.fromkeys(range(memory.FAMILY + 1), 0.1)}
    assert [violation.about for violation in memory.violations(first, many)] == ["auth-api"]


async def test_a_failed_seed_says_how_to_play_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "PLAYED", tmp_path / "played")
    home = Home(tmp_path / "rig")
    home.make()
    home.log("auth-api").write_text("its log")
    (home.root / "launcher.log").write_text("")
    outcome = await play(Bench(), PLAN, checks(found=[Violation("ledger", "balance", "-3")]))
    kept = evidence.folder(7)
    evidence.keep(outcome, home, kept)
    said = (kept / "report.txt").read_text()
    assert "freeze kafka for 0.1 s" in said
    assert "ledger: balance: -3" in said
    assert "sign-up" in said
    assert (kept / "logs" / "auth-api.log").read_text() == "its log"
    run = Run("make chaos", 1, 60, [Played([outcome])])
    assert run.failed() == [outcome]
    assert dict(run.rows())["violations"] == "1"
    assert evidence.again(outcome) == "make chaos SEED=7"
    later = replace(outcome, first=4)
    assert evidence.again(later).endswith("make chaos FIRST=4 SEEDS=4 LANES=1")
