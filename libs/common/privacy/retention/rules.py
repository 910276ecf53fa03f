"""When something's time is over: the rules that follow from what the fields of a holding declare."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from libs.common.collection import Filter, Row
from libs.common.document import Index
from libs.common.privacy.annotations import Retention
from libs.common.privacy.holdings import CollectionHolding, Pseudonymise
from libs.common.privacy.rows import HELD, UNTIL, value_at


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a holding are over, and what goes of them.

    Args:     retention: what ends them, from the time at `path`; None: `path` is their end itself, as the law has it;
              field: the path that goes, None where the row does.
    """

    holding: CollectionHolding
    path: str
    retention: Retention | None = None
    field: str | None = None

    def over(self, moment: datetime) -> Filter:
        """Return the filter of the rows that are over. What is held for somebody's reasons never is.

        What the law kept under a pseudonym has an end of its own, whatever it was made for.
        """
        if self.retention is None:
            return {self.path: {"$lt": moment}, HELD: None}
        ours = {**(self.holding.where or {}), self.path: {"$lt": self.retention.over_before(moment)}}
        ours |= {UNTIL: None, HELD: None}
        return ours | ({self.field: {"$ne": None}} if self.field else {})

    @property
    def ends_what_is_in_use(self) -> bool:
        """Tell whether rows go by it that no erasure has dealt with."""
        return self.field is None and self.retention is not None

    def end_of(self, row: Row) -> datetime:
        """Return when a row's time was over."""
        at: datetime = value_at(row, self.path)
        return self.retention.end_of(at) if self.retention else at

    @property
    def index(self) -> Index:
        """Return the index by which its rows are found in the order of their times."""
        partial = {self.path: {"$exists": True}} if self.retention is None else None
        return Index(((self.path, 1), ("_id", 1)), partial=partial)


def rules_of(holding: CollectionHolding) -> Iterator[Rule]:
    """Yield what ends rows and fields of a holding by the time; nothing where only an erasure does."""
    if isinstance(holding.erase, Pseudonymise):
        yield Rule(holding, UNTIL)
    if kept := holding.row_retention:
        yield Rule(holding, holding.made_at, kept)
    for field, retention in holding.field_retentions.items():
        yield Rule(holding, holding.made_at, retention, field)


def expiries_of(holding: CollectionHolding) -> Iterator[Rule]:
    """Yield what the database ends by itself, as rules: to tell what it should have removed by now."""
    for index in holding.expiry:
        kept = Retention("as the row says itself", index.expire_after)
        yield Rule(holding, index.keys[0][0], kept)
