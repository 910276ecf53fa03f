"""Plays seeds on a rig: people act, faults come and go, the platform comes to rest, and promises are held to it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from tests.chaos.model import Fault, FaultFailed, History, Moment, Rig, Violation
from tests.chaos.plan import Plan


class Playable(Rig, Protocol):
    """A rig that also knows which of its processes are nobody's."""

    def strays(self) -> set[int]: ...


H = TypeVar("H", bound=History)

SETTLES_S = 60.0
LOOK_EVERY_S = 0.25
JUDGED_WITHIN_S = 120.0
STRAY_FOR_S, STRAY_LOOK_EVERY_S = 20.0, 0.5


@dataclass(frozen=True)
class Patience:
    """How long rest is waited for. Args: still_s: given up once nothing has changed for so long."""

    settles_s: float = SETTLES_S
    still_s: float = SETTLES_S


PATIENCE = Patience()


@dataclass(frozen=True)
class Checks(Generic[H]):
    """Who acts, and who judges.

    Args: live: several people through the gateway, who begin nothing new after a monotonic time. unsettled: what is
        not idle, consistent and serving yet. violations: which promises were broken, once all is at rest.
    """

    history: Callable[[], H]
    live: Callable[[Playable, random.Random, H, float], Coroutine[None, None, None]]
    unsettled: Callable[[Playable, H], Awaitable[list[str]]]
    violations: Callable[[Playable, H], Awaitable[list[Violation]]]


@dataclass(frozen=True)
class Outcome:
    """How one seed went.

    Args: recovery_s: from the end of all faults, when people have stopped too, to rest; None: not in time.
        died: names of the processes that ended, once for each time. first: the seed that its rig played first.
    """

    plan: Plan
    wall_s: float
    recovery_s: float | None
    violations: list[Violation]
    counts: Mapping[str, int] = field(default_factory=dict)
    died: Sequence[str] = ()
    resumed_after_s: Sequence[float] = ()
    timeline: Sequence[Moment] = ()
    first: int | None = None


async def play(rig: Playable, plan: Plan, checks: Checks[H], patience: Patience = PATIENCE) -> Outcome:
    """Play one seed on a rig that is at rest."""
    history = checks.history()
    start = Moment("begin", f"seed {plan.seed}", f"people act for {plan.lasts_s} s")
    found = await _act(rig, plan, checks, history)
    recovery_s, waited = await _rest(rig, checks, history, patience)
    if recovery_s is None:
        found.append(
            Violation("recovery", f"not at rest within {patience.settles_s:.0f} s", waited[-1].detail)
        )
    found += await _judged(rig, checks, history)
    log = [start, *waited, *(moment for moment in rig.log if moment.monotonic >= start.monotonic)]
    return Outcome(
        plan=plan,
        wall_s=time.monotonic() - start.monotonic,
        recovery_s=recovery_s,
        violations=found,
        counts=dict(history.counts()),
        died=[moment.name for moment in log if moment.what == "process-died"],
        resumed_after_s=tuple(history.resumed_after_s()),
        timeline=sorted([*log, *history.timeline()], key=lambda moment: moment.monotonic),
    )


async def _act(rig: Playable, plan: Plan, checks: Checks[H], history: H) -> list[Violation]:
    """People act while faults come and go; none is in any more at the end. Returns which faults did not take."""
    start = time.monotonic()
    end = start + plan.lasts_s
    async with asyncio.TaskGroup() as group:
        group.create_task(checks.live(rig, plan.workload(), history, end))
        faults = [
            group.create_task(_at_its_time(rig, fault, _due(fault, history, start, end)))
            for fault in plan.faults
        ]
    await rig.lift_all()
    return [failure for task in faults if (failure := task.result())]


async def _due(fault: Fault, history: History, start: float, end: float) -> None:
    """Return when a fault's time has come; what it is to follow is awaited no longer than people act."""
    if fault.after:
        with suppress(TimeoutError):
            async with asyncio.timeout(end - time.monotonic()):
                await history.acknowledged(fault.after)
        start = time.monotonic()
    await asyncio.sleep(start + fault.at_s - time.monotonic())


async def _at_its_time(rig: Playable, fault: Fault, due: Awaitable[None]) -> Violation | None:
    await due
    try:
        await rig.inject(fault)
        await asyncio.sleep(fault.for_s)
        await rig.lift(fault)
    except FaultFailed as error:
        return Violation("rig", fault.name, str(error))
    return None


async def _rest(
    rig: Playable, checks: Checks[H], history: H, patience: Patience
) -> tuple[float | None, list[Moment]]:
    """Wait until all is idle and consistent, and serves; returns after how long, and what was waited for.

    The time begins when the last fault is over and people have stopped: what they still begin is not at rest.
    """
    began = time.monotonic()
    waited = [Moment("waiting", "for rest")]
    while waiting := await checks.unsettled(rig, history):
        if (told := "; ".join(waiting)) != waited[-1].detail:
            waited.append(Moment("waiting", "for rest", told))
        now = time.monotonic()
        if now - began > patience.settles_s or now - waited[-1].monotonic > patience.still_s:
            return None, waited
        await asyncio.sleep(LOOK_EVERY_S)
    return time.monotonic() - began, [*waited, Moment("at-rest", "")]


async def _judged(rig: Playable, checks: Checks[H], history: H) -> list[Violation]:
    """What the checker says, and which processes are nobody's."""
    async with asyncio.timeout(JUDGED_WITHIN_S):
        found = await checks.violations(rig, history)
    left, until = rig.strays(), time.monotonic() + STRAY_FOR_S
    while left and time.monotonic() < until:  # one that is being started or ended is not lost
        await asyncio.sleep(STRAY_LOOK_EVERY_S)
        left &= rig.strays()
    return [*found, *(Violation("no-process-leaked", f"process {pid}", "nobody's child") for pid in left)]
