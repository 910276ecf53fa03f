"""The promises, a file for each family: pure functions of the stores and the history, named in `CHECKS`."""

from collections.abc import Callable, Iterator

from tests.chaos.checks import effects, erasure, events, ledger, letters, order, resumption, writes
from tests.chaos.history import Record
from tests.chaos.model import Violation
from tests.chaos.truth import Truth

Check = Callable[[Truth, Record], Iterator[Violation]]

CHECKS: tuple[Check, ...] = (
    *writes.CHECKS,
    *events.CHECKS,
    *effects.CHECKS,
    *ledger.CHECKS,
    *erasure.CHECKS,
    *order.CHECKS,
    *letters.CHECKS,
    *resumption.CHECKS,
)
