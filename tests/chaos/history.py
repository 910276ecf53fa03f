"""What people did and were answered: every operation of one seed, in the manner of Jepsen.

An operation that failed on the way, or was answered 5xx, is *unknown*: it may have had its effect, may have it
later, or never. Only what was answered with success is held to be there.
"""

import asyncio
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from tests.chaos.model import Moment

Partition = tuple[str, int]

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Outcome(StrEnum):
    """What a person was told."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Operation:
    """One thing that a person did.

    Args: arguments: digest of what was typed or sent. given, got: opaque ids and codes that went in, and came back.
        code: of a refusal or of what broke. invoked, returned: by `time.monotonic()`.
    """

    who: str
    what: str
    outcome: Outcome
    code: str = ""
    arguments: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    got: Mapping[str, str] = field(default_factory=dict)
    invoked: float = 0.0
    returned: float = 0.0
    at: datetime = LONG_AGO

    @property
    def ok(self) -> bool:
        """Tell whether it was acknowledged."""
        return self.outcome is Outcome.OK

    @property
    def possible(self) -> bool:
        """Tell whether it had its effect, or may have."""
        return self.outcome is not Outcome.REFUSED


@dataclass
class Cast:
    """One of the made-up people: what they typed and sent, which the scanner looks for once they are gone."""

    name: str
    email: str
    username: str
    password: str
    device: str
    user_id: str = ""
    prompts: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)


class Record:
    """The history of one seed. `starts` is where each topic's partitions ended before it."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.people: dict[str, Cast] = {}
        self.starts: dict[Partition, int] = {}
        self.began = datetime.now(UTC)
        self._counts: dict[str, int] = {}
        self._resumed: list[float] = []
        self._acknowledged: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def note(self, operation: Operation) -> None:
        """Remember an operation."""
        self.operations.append(operation)
        if operation.ok:
            self._acknowledged[operation.what].set()

    async def acknowledged(self, what: str) -> None:
        """Return once an operation of this kind was acknowledged to somebody."""
        await self._acknowledged[what].wait()

    def of(self, *kinds: str) -> Iterator[Operation]:
        """Yield the operations of these kinds, in the order in which they returned."""
        return (each for each in self.operations if each.what in kinds)

    @property
    def user_ids(self) -> set[str]:
        """Return the ids of those who ever learned theirs."""
        return {person.user_id for person in self.people.values() if person.user_id}

    @property
    def emails(self) -> list[str]:
        """Return everybody's address."""
        return [person.email for person in self.people.values()]

    def found(self, resumed: Sequence[float], **counts: int) -> None:
        """Take in the figures that only the stores tell."""
        self._resumed, self._counts = list(resumed), dict(counts)

    def timeline(self) -> Iterable[Moment]:
        """Return every operation with its outcome, in order of time."""
        return [_moment(each) for each in sorted(self.operations, key=lambda each: each.invoked)]

    def counts(self) -> Mapping[str, int]:
        """Return the figures for the summary."""
        return {"operations": len(self.operations), "events": 0, "erasures": 0} | self._counts

    def resumed_after_s(self) -> Sequence[float]:
        """Return how long killed erasure steps took to go on, from their process's being back."""
        return self._resumed

    def write(self, file: Path) -> None:
        """Write the operations as JSON lines, with opaque ids and made-up people only."""
        lines = (json.dumps(asdict(each) | {"at": each.at.isoformat()}) for each in self.operations)
        file.write_text("".join(f"{line}\n" for line in lines))


def digest(content: str | bytes) -> str:
    """Return what stands for a text or a file in the history."""
    raw = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()[:32]


def began() -> tuple[float, datetime]:
    """Return the present by both clocks."""
    return time.monotonic(), datetime.now(UTC)


def _moment(operation: Operation) -> Moment:
    ids = " ".join(f"{name}={value}" for name, value in {**operation.given, **operation.got}.items())
    told = " ".join(part for part in (operation.outcome.value, operation.code, ids) if part)
    took = f"{operation.returned - operation.invoked:.2f} s"
    return Moment(operation.what, operation.who, f"{told} ({took})", operation.invoked, operation.at)
