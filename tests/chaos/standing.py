"""Which faults stood when, read from the rig's log: what they explain is no violation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.chaos.model import Moment

FOREVER = datetime.max.replace(tzinfo=UTC)
AFTERMATH = timedelta(seconds=10)
"""How long what a fault did may still be felt: waits between tries, leases, members that are missed."""


@dataclass(frozen=True)
class Trouble:
    """A fault from its injection to its end, or a process that was down. Args: detail: what the log says of it."""

    name: str
    since: datetime
    until: datetime
    detail: str = ""

    def felt(self, since: datetime, until: datetime, aftermath: timedelta = AFTERMATH) -> bool:
        """Tell whether it can have made a difference in this time."""
        return self.since <= until and (self.until == FOREVER or since <= self.until + aftermath)

    @property
    def kind(self) -> str:
        """Return the kind of fault; nothing where a process was down."""
        return self.name.rpartition(" ")[0]

    @property
    def offset(self) -> timedelta:
        """Return how far a clock is off."""
        told = dict(part.split("=") for part in self.detail.split() if self.kind == "clock")
        return timedelta(seconds=float(told.get("offset_s", 0)))

    @property
    def target(self) -> str:
        """Return the process, or the link by both its ends."""
        return self.name.rpartition(" ")[2]

    def concerns(self, *targets: str) -> bool:
        """Tell whether it is about a process, or about a link of one: those whose names begin so."""
        return self.target.startswith(targets)


def troubles(log: Sequence[Moment]) -> list[Trouble]:
    """Return all that was wrong, in order of time."""
    return [*_spans(log, "injected", "lifted"), *downs(log)]


def downs(log: Sequence[Moment]) -> Iterator[Trouble]:
    """Yield when which process was down."""
    return _spans(log, "process-died", "process-ready")


def _spans(log: Sequence[Moment], begin: str, end: str) -> Iterator[Trouble]:
    for number, moment in enumerate(log):
        if moment.what == begin and not moment.name.startswith("kill "):  # a kill is told by its death
            yield Trouble(moment.name, moment.wall, _end(log[number:], end, moment.name), moment.detail)


def _end(later: Iterable[Moment], what: str, name: str) -> datetime:
    return next((each.wall for each in later if (each.what, each.name) == (what, name)), FOREVER)
