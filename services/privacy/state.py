"""What a case remembers, and when it next wants to be told of the time."""

from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from libs.common.clock import MOST_APART
from services.privacy.progress import Progress
from services.privacy.protocol import HOLDERS, LAST, POLICY, Attention, Command, Phase, Policy, backoff


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is erased although it was asked for, and until when.

    Args:     ended_at: when it ended, by the operators or by itself; None while it is in force; hold_id: of the hold
              on the account; empty where it was placed before accounts could be held.
    """

    since: datetime
    until: datetime
    ground: str
    ended_at: datetime | None = None
    hold_id: str = ""


@dataclass(frozen=True, slots=True)
class Saga:
    """All that a case must remember to go on after a restart.

    Args:     attempt: the last erasure request's number; needed: the attempt that every holder must have answered
              (or a later one) before a scan; run: the last scan's number; asked_at, silences: when the present
              question was last asked and how often it was asked again; setbacks: shortfalls and findings so far;
              retry_at: when an INCOMPLETE case tries again, None where it waits for an operator; holds: the present
              hold and those before it; last_asked: the attempt with which the last holder was asked to erase;
              waited: the holds on items that it had to wait for; look_at: when it is looked for what the law
              kept; ended: when it was seen that nothing of it is left, by holding.
    """

    phase: Phase = Phase.OPENED
    holders: dict[str, Progress] = field(default_factory=lambda: {name: Progress() for name in HOLDERS})
    deleted_at: datetime | None = None
    opened_at: datetime | None = None
    target_at: datetime | None = None
    due_at: datetime | None = None
    verified_at: datetime | None = None
    attempt: int = 0
    needed: int = 0
    run: int = 0
    asked_at: datetime | None = None
    silences: int = 0
    setbacks: int = 0
    retry_at: datetime | None = None
    attention: tuple[Attention, ...] = ()
    holds: tuple[Hold, ...] = ()
    last_asked: int = 0
    waited: tuple[str, ...] = ()
    look_at: datetime | None = None
    ended: dict[str, datetime] = field(default_factory=dict)

    @property
    def hold(self) -> Hold | None:
        """Return the hold that is in force."""
        last = self.holds[-1] if self.holds else None
        return last if last and last.ended_at is None else None

    @property
    def frozen(self) -> bool:
        """Tell whether every holder has hidden, frozen and counted what it has."""
        return all(part.found is not None for part in self.holders.values())

    def done(self, *, last: bool) -> bool:
        """Tell whether the holders that are asked first, or last, have answered and nothing is left with them."""
        return self.explained(last=last) and not any(part.held for part in self._parts(last=last))

    def explained(self, *, last: bool) -> bool:
        """Tell whether these holders have answered and explained all they found, be it that it is held."""
        return all(part.answered >= self.needed and not part.missing for part in self._parts(last=last))

    @property
    def standing(self) -> frozenset[str]:
        """Return the ids of the holds on items that the case waits for."""
        return frozenset(hold for part in self.holders.values() for hold in part.holds)

    @property
    def retained(self) -> dict[str, datetime]:
        """Return what the law keeps of the person, by holding, and from when on nothing of it may be left."""
        kept = {
            name: datetime.fromisoformat(outcome.retained_until).replace(tzinfo=UTC)
            for part in self.holders.values()
            for name, outcome in part.outcomes.items()
            if outcome.retained and outcome.retained_until
        }
        return {name: until for name, until in kept.items() if name not in self.ended}

    def _parts(self, *, last: bool) -> list[Progress]:
        return [part for name, part in self.holders.items() if (name in LAST) is last]

    @property
    def resting(self) -> bool:
        """Tell whether there is nothing to ask for: it is held, and all that a hold allows is done."""
        return self.phase is Phase.HELD and self.frozen


Step = tuple[Saga, tuple[Command, ...]]
"""A case after something happened, and what is to be done."""


def wake_at(saga: Saga, policy: Policy = POLICY) -> datetime | None:
    """Return when the case next needs a Tick, None where only an answer can move it, or nothing any more.

    A VERIFIED one is looked at when the law lets go of what it kept.
    """
    if saga.phase is Phase.VERIFIED:
        return saga.look_at
    hold_ends = saga.hold.until if saga.hold else None
    moments = [patience_ends(saga, policy), hold_ends, *(moment for _, moment in deadlines_ahead(saga))]
    return min((moment for moment in moments if moment), default=None)


def one_month_after(moment: datetime) -> datetime:
    """Return the same day and time of the next month, or that month's last day.

    Source:   GDPR Art. 12(3): within one month of receipt of the request.
    """
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)  # noqa: PLR2004
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def patience_ends(saga: Saga, policy: Policy) -> datetime | None:
    """Return when the present question is to be asked again."""
    if saga.phase is Phase.INCOMPLETE:
        return saga.retry_at
    if saga.asked_at is None or saga.resting:
        return None
    if saga.phase is Phase.SCANNING:
        return saga.asked_at + backoff(policy.scan_timeout, policy.silence_cap, saga.silences)
    cap = policy.held_cap if saga.phase is Phase.WAITING else policy.silence_cap
    return saga.asked_at + backoff(policy.silence, cap, saga.silences)


def brought_near(saga: Saga, at: datetime, policy: Policy) -> Saga:
    """Return a case that waits no longer than the policy has it: a clock that was ahead may have moved it.

    Nothing was asked after the present, and no attempt is further off than the wait that was set for it. Workers that
    tell a case of the time at once differ by moments: that moves nothing.
    """
    longest = at + backoff(policy.setback, policy.setback_cap, max(saga.setbacks - 1, 0))
    return replace(saga, asked_at=_brought(saga.asked_at, at), retry_at=_brought(saga.retry_at, longest))


def _brought(moment: datetime | None, latest: datetime) -> datetime | None:
    """Return a moment, or the latest that it can be where it is so much later that a clock was wrong."""
    return latest if moment and moment > latest + MOST_APART else moment


def deadlines_ahead(saga: Saga) -> list[tuple[Attention, datetime]]:
    """Return the deadlines that nobody was alerted of yet."""
    deadlines = ((Attention.TARGET_MISSED, saga.target_at), (Attention.OVERDUE, saga.due_at))
    return [(reason, moment) for reason, moment in deadlines if moment and reason not in saga.attention]
