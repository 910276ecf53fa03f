"""Wrong histories: each the right one with just one thing broken, and the promises that this breaks."""

from tests.chaos.wrongs import effects, erasure, events, writes
from tests.chaos.wrongs.changing import Broken

__all__ = ["BROKEN"]

BROKEN: Broken = {**writes.BROKEN, **events.BROKEN, **effects.BROKEN, **erasure.BROKEN}
