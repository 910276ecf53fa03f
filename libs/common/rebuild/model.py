"""What a read model says of itself so that it can be rebuilt: its events, and how they add up to its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID

from libs.common.bus.envelope import Received
from libs.common.document import Document
from libs.common.events.base import Event
from libs.common.mongo import Row


@dataclass(frozen=True, slots=True)
class Folded:
    """What an event changes of the facts that a row is made of, in any order of the events of several topics.

    Args:     key: the row's `_id`; change: a MongoDB update of the facts, which are made where they are not there.
    """

    key: Any
    change: dict[str, Any]


class ReadModel(Protocol):
    """A collection that is what its events add up to.

    Args:     name: such as `billing.balances`; live: its rows; facts: what the log says of each of them, kept while
              it is rebuilt; owner: path of the person's id, in rows and facts alike; shown: which live rows count;
              people_at_once: whose rows are in memory together.
    """

    name: ClassVar[str]
    live: ClassVar[type[Document]]
    facts: ClassVar[type[Document]]
    owner: ClassVar[str]
    shown: ClassVar[dict[str, Any]]
    people_at_once: ClassVar[int]
    events: ClassVar[tuple[type[Event], ...]]

    def fold(self, received: Received) -> Folded:
        """Return what one event adds."""
        ...

    async def rows(self, facts: Sequence[Row]) -> list["Row | None"]:
        """Return the row that each set of facts adds up to, as it is stored; None where there is to be none."""
        ...

    def began_at(self, facts: Row) -> datetime | None:
        """Return when the row began, by the log; None where its beginning is not there."""
        ...


@dataclass(slots=True)
class Verdict:
    """What a rebuild found.

    Args:     events: that were folded; compared: rows whose owner was at rest; differing: of these, which are not
              byte for byte alike; corrected: of these, replaced by a swap, also in a try that was killed; older: rows
              that began before the log does, or so long ago that it may lack some of what followed; erased: of people
              who are; unsettled: rows whose owners never rested.
    """

    events: int = 0
    compared: int = 0
    differing: int = 0
    corrected: int = 0
    older: int = 0
    erased: int = 0
    unsettled: int = 0

    @property
    def equal(self) -> bool:
        """Tell whether every row is, byte for byte, what the log says; what was not compared is not equal."""
        return self.differing == self.corrected and not (self.older or self.unsettled)


Change = tuple[Any, "Row | None", "Row | None"]
"""A row's key, the row as it is, and as it is to be; None where there is none."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows and facts of some people at one moment.

    Args:     moving: those who had an event on its way then; erased: those who are.
    """

    live: dict[Any, Row]
    facts: dict[Any, Row]
    moving: set[UUID]
    erased: set[UUID]


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of comparing some people's rows. Args: as of a Verdict; changes: what would make them alike."""

    compared: int
    older: int
    changes: list[Change]
