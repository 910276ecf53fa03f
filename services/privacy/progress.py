"""What a case knows of each holder: how much it found, what it said became of it, and what is missing.

Counts are totals of the case: a holder remembers what earlier attempts erased and answers with the sum. So answers
join by the larger count, and their order and repetition cannot matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter

LOOKED_TWICE = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a holder says became of one holding.

    Args:     erased: rows or objects that went; retained: how many are kept, pseudonymised; ground: the legal
              ground they are kept on; retained_until: ISO date of their end; already_gone: how many had gone
              another way before, as the holder says after it looked for them; proofs: what outside parties answered
              when they had erased, reference and ISO time; held: how many are there still because somebody holds
              items; holds: the ids of these holds.
    """

    erased: int
    retained: int = 0
    ground: str | None = None
    retained_until: str | None = None
    already_gone: int = 0
    proofs: tuple[tuple[str, str], ...] = ()
    held: int = 0
    holds: tuple[str, ...] = ()

    @property
    def touched(self) -> bool:
        """Tell whether the holder did anything to the holding."""
        return self.erased > 0 or self.retained > 0

    @property
    def accounted(self) -> int:
        """Return how much this explains. What is kept without a ground and a date is not explained."""
        lawful = self.ground is not None and self.retained_until is not None
        return self.erased + self.already_gone + (self.retained if lawful else 0)

    def joined(self, other: "Outcome") -> "Outcome":
        """Return what both together say, whichever came first.

        From the first answer on no more can be held, and holds end: so what is held is the least that was said. It
        may be held anew before its hold ends: of equal counts, all the holds count.
        """
        least = min(self.held, other.held)
        by = {hold for each in (self, other) if each.held == least for hold in each.holds}
        terms = max(self, other, key=lambda each: (each.ground or "", each.retained_until or ""))
        return replace(
            terms,
            erased=max(self.erased, other.erased),
            already_gone=max(self.already_gone, other.already_gone),
            retained=max(self.retained, other.retained),
            proofs=tuple(sorted({*self.proofs, *other.proofs}, key=itemgetter(1))),
            held=least,
            holds=tuple(sorted(by)),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """One holder's part of a case.

    Args:     found: what its inventory counted, per holding, None until it answered; outcomes: what became of
              it; answered: the newest erasure request it has answered, 0 for none.
    """

    found: dict[str, int] | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    answered: int = 0

    @property
    def missing(self) -> dict[str, int]:
        """Return what was found and never explained, per holding: the zero-row guard. What is held is explained."""
        gaps = {name: count - self._accounted(name) for name, count in (self.found or {}).items()}
        held = {name: outcome.held for name, outcome in self.outcomes.items()}
        return {name: left for name, gap in gaps.items() if (left := gap - held.get(name, 0)) > 0}

    @property
    def held(self) -> int:
        """Return how much is there still because somebody holds items."""
        return sum(outcome.held for outcome in self.outcomes.values())

    @property
    def holds(self) -> frozenset[str]:
        """Return the ids of the holds that this holder's part waits for."""
        return frozenset(hold for outcome in self.outcomes.values() if outcome.held for hold in outcome.holds)

    def _accounted(self, holding: str) -> int:
        """Return how much of a holding is explained.

        All of it gone and nothing erased is what a broken erasure, or a store that lists nothing for a moment,
        looks like: it is believed when the holder says so a second time, after another look.
        """
        outcome = self.outcomes.get(holding)
        if outcome is None or (not outcome.touched and self.answered < LOOKED_TWICE):
            return 0
        return outcome.accounted

    def with_inventory(self, found: Mapping[str, int]) -> "Progress":
        """Take an inventory in. A later and lower count never lowers an earlier one: it may follow an erasure."""
        before = self.found or {}
        return replace(
            self, found=before | {name: max(count, before.get(name, 0)) for name, count in found.items()}
        )

    def with_answer(self, attempt: int, outcomes: Mapping[str, Outcome]) -> "Progress":
        """Take an erasure's answer in."""
        joined = {
            name: outcome.joined(self.outcomes.get(name, outcome)) for name, outcome in outcomes.items()
        }
        return replace(self, outcomes=self.outcomes | joined, answered=max(self.answered, attempt))
