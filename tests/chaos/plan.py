"""What happens in one seed: how long people act, and which faults come when. The seed decides, nothing else."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.gateway_routes import SERVICES
from tests.chaos.links import MORE_WORKERS, NAMES
from tests.chaos.model import Fault, Kind

SERVICE_PROCESSES = tuple(f"{service}-{role}" for service in SERVICES for role in ("api", "worker"))
PROCESSES = (*SERVICE_PROCESSES, "kafka", "mongod", "s3", "envoy", "pay")
DISKS = ("kafka", "mongod", "s3")
WEIGHTS = {
    Kind.KILL: 30,
    Kind.FREEZE: 18,
    Kind.SLOW: 12,
    Kind.CUT: 18,
    Kind.REBALANCE: 10,
    Kind.CLOCK: 7,
    Kind.FULL_DISK: 5,
}
SHORTEST_S, LONGEST_S = 9.0, 12.0
FIRST_FAULT_S = 1.0
MOST_FAULTS = 4
HOUR_S = 3600

DELETION = "delete-account"
IN_ERASURES = 1 / 3
"""The share of seeds in which a fault waits for somebody's deletion: an erasure is over in less than a second."""
IN_ERASURE_S = 0.6
ERASERS = tuple(f"{service}-worker" for service in SERVICES) * 3 + DISKS
"""Who takes part in an erasure; each worker has steps of its own that it has to go on with."""
KILLED = 0.75
"""The share of kills among those faults; the others are freezes."""


@dataclass(frozen=True)
class Plan:
    """One seed's."""

    seed: int
    lasts_s: float
    faults: tuple[Fault, ...]

    def workload(self) -> random.Random:
        """What people draw from: the same for the same seed, whatever faults there are."""
        return random.Random(f"{self.seed} workload")


def plan(seed: int, *, disks: bool = True) -> Plan:
    """Draw a seed's plan. Args: disks: False leaves out what the machine cannot do, and changes nothing else."""
    rng = random.Random(f"{seed} faults")
    lasts_s = round(rng.uniform(SHORTEST_S, LONGEST_S), 1)
    drawn = [_fault(rng, lasts_s) for _ in range(rng.randint(1, MOST_FAULTS))]
    if rng.random() < IN_ERASURES:
        drawn = [
            _in_an_erasure(rng),
            drawn[0],
        ]  # few others: what they hold up says nothing of how it goes on
    # Two faults for one process would be one of them, or neither: a clock cannot be set where nothing runs.
    first = {fault.target: fault for fault in reversed(drawn)}
    wanted = [
        fault for fault in drawn if first[fault.target] is fault and (disks or fault.kind != Kind.FULL_DISK)
    ]
    return Plan(seed, lasts_s, tuple(sorted(wanted, key=lambda fault: fault.at_s)))


def _fault(rng: random.Random, lasts_s: float) -> Fault:
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    at_s = round(rng.uniform(FIRST_FAULT_S, lasts_s), 1)
    target, for_s, parameters = DRAWS[kind](rng)
    return Fault(kind, target, at_s, round(for_s, 1), parameters)


def _in_an_erasure(rng: random.Random) -> Fault:
    at_s, target = round(rng.uniform(0, IN_ERASURE_S), 2), rng.choice(ERASERS)
    if rng.random() < KILLED:
        return Fault(Kind.KILL, target, at_s, 0.0, after=DELETION)
    return Fault(Kind.FREEZE, target, at_s, round(rng.uniform(2, 12), 1), after=DELETION)


Drawn = tuple[str, float, dict[str, float | str]]


def _kill(rng: random.Random) -> Drawn:
    return rng.choice(PROCESSES), 0.0, {}


def _freeze(rng: random.Random) -> Drawn:
    return rng.choice(PROCESSES), rng.uniform(2, 12), {}


def _slow(rng: random.Random) -> Drawn:
    latency = rng.choice([20, 100, 300, 1_000])
    told: dict[str, float | str] = {
        "latency_ms": latency,
        "jitter_ms": latency // 4,
        "rate_kb_s": rng.choice([32, 256]),
    }
    return rng.choice(NAMES), rng.uniform(2, 8), told


def _cut(rng: random.Random) -> Drawn:
    return rng.choice(NAMES), rng.uniform(0.5, 8), {"how": rng.choice(["reset", "swallow", "refuse"])}


def _rebalance(rng: random.Random) -> Drawn:
    return rng.choice(MORE_WORKERS), rng.uniform(2, 6), {"stop": rng.choice(["SIGTERM", "SIGKILL"])}


def _clock(rng: random.Random) -> Drawn:
    offset_s = rng.choice([5, 60, 600, HOUR_S, 6 * HOUR_S]) * rng.choice([-1, 1])
    return rng.choice(SERVICE_PROCESSES), rng.uniform(2, 8), {"offset_s": offset_s}


def _full_disk(rng: random.Random) -> Drawn:
    return rng.choice(DISKS), rng.uniform(2, 6), {}


DRAWS: dict[Kind, Callable[[random.Random], Drawn]] = {
    Kind.KILL: _kill,
    Kind.FREEZE: _freeze,
    Kind.SLOW: _slow,
    Kind.CUT: _cut,
    Kind.REBALANCE: _rebalance,
    Kind.CLOCK: _clock,
    Kind.FULL_DISK: _full_disk,
}
