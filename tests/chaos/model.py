"""What the parts of `make chaos` say to each other: the rig with its faults, and the checker with its history."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from deploy.local.home import Home


class Kind(StrEnum):
    """What can be done to the platform."""

    KILL = "kill"
    FREEZE = "freeze"
    SLOW = "slow"
    CUT = "cut"
    FULL_DISK = "full-disk"
    CLOCK = "clock"
    REBALANCE = "rebalance"


@dataclass(frozen=True)
class Fault:
    """One fault of a plan.

    Args: target: a process, or two with an arrow: `billing->mongod`. at_s: from the start of the workload, or from
        the first acknowledged operation of the kind `after`. for_s: until it is lifted; 0 for what lifts itself, as
        a process that is started again. parameters: by kind.
    """

    kind: Kind
    target: str
    at_s: float
    for_s: float
    parameters: Mapping[str, float | str] = field(default_factory=dict, hash=False)
    after: str = ""

    @property
    def name(self) -> str:
        """What the log calls it."""
        return f"{self.kind} {self.target}"

    def __str__(self) -> str:
        told = " ".join(f"{key}={value}" for key, value in self.parameters.items())
        lasting = f" for {self.for_s:.1f} s" if self.for_s else ""
        moment = f"{self.at_s:.2f} s after a {self.after}" if self.after else f"at {self.at_s:4.1f} s"
        return f"{moment}: {self.kind} {self.target}{lasting} {told}".rstrip()


@dataclass(frozen=True)
class Moment:
    """Something that happened, in the rig or in the history. Personal: none; ids and codes only."""

    what: str
    name: str
    detail: str = ""
    monotonic: float = field(default_factory=time.monotonic)
    wall: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept. Args: promise: its short name. about: ids. detail: expected and found."""

    promise: str
    about: str
    detail: str

    @property
    def family(self) -> str:
        """Return the promise without the event that it is about: `once: image.ready` is of `once`."""
        return self.promise.partition(":")[0]

    def __str__(self) -> str:
        return f"{self.promise}: {self.about}: {self.detail}"


@dataclass(frozen=True)
class Process:
    """A process of the rig as it runs now."""

    pid: int
    restarts: int


class Rig(Protocol):
    """A whole platform that faults can be put into.

    `gateway` is where people reach it. `env` leads to Kafka, MongoDB and S3 directly, never through a fault.
    """

    @property
    def gateway(self) -> str: ...

    @property
    def env(self) -> Mapping[str, str]: ...

    @property
    def home(self) -> Home: ...

    @property
    def ports(self) -> Mapping[str, int]: ...

    @property
    def log(self) -> Sequence[Moment]:
        """What was injected and lifted, which process died and which was ready, in order of time."""

    async def inject(self, fault: Fault) -> None:
        """Put a fault in. Raises: FaultFailed: it did not take."""

    async def lift(self, fault: Fault) -> None:
        """Take it out; nothing happens when it is not in."""

    async def lift_all(self) -> None:
        """Return when no fault is in and every process was told to go on."""

    def processes(self) -> Mapping[str, Process]:
        """What runs now, by name: `billing-worker`, `kafka`, `envoy`, ..."""


class FaultFailed(Exception):
    """A fault that was asked for is not in: the rig is at fault, not the platform."""


class History(Protocol):
    """What people did and were answered in one seed."""

    async def acknowledged(self, what: str) -> None:
        """Return once an operation of this kind was acknowledged to somebody."""

    def timeline(self) -> Iterable[Moment]:
        """Every operation with its outcome, in order of time."""

    def counts(self) -> Mapping[str, int]:
        """At least `operations`, `events` and `erasures`; known after the violations were looked for."""

    def resumed_after_s(self) -> Sequence[float]:
        """Seconds from a killed holder's being back to its erasure going on, one for each such erasure."""
