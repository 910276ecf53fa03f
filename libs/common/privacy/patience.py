"""For how long an event about an erasure waits for what does not answer: its case asks again by itself."""

import time
from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID

from libs.common.errors import Unavailable
from libs.common.logging import logger

T = TypeVar("T")

PATIENCE_S = 120.0
"""Longer than an outage takes as a rule, and shorter than a consumer may stand still before it is restarted.

What comes behind an event in its partition is not committed before it is settled. What one person's erasure waits
for (an object that the store does not let go) may have no end, and must not end everybody's.
"""

log = logger("privacy.answers")


class Patience:
    """Tells what passes from what is left to the next time that the case asks."""

    def __init__(self) -> None:
        self._failing: dict[UUID, float] = {}

    async def within(self, case_id: UUID, work: Awaitable[T]) -> T | None:
        """Return what comes of work for a case; None where it has failed for so long that its event is settled.

        Raises:   Unavailable: it fails, and not for long yet; retried.
        """
        try:
            done = await work
        except Unavailable as error:
            since = self._failing.setdefault(case_id, time.monotonic())
            if time.monotonic() - since < PATIENCE_S:
                raise
            log.warning("erasure.not_answered", case_id=str(case_id), exc_info=error)
            done = None
        self._failing.pop(case_id, None)
        return done
