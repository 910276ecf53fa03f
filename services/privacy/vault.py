"""The master of people's keys, changed while every key stays in use (ADR 0026)."""

from functools import partial
from uuid import UUID

from libs.common.audit import Audit, staff_actor
from libs.common.sealing import Sealing, VaultState
from libs.common.work import UnitOfWork

AT_ONCE = 500
"""Keys that one order wraps anew: well within the time that a request may take."""
AT_ONCE_BY_KMS = 50
"""Where a KMS unwraps or wraps them, one request for each."""

ROTATED = "keys.rotated"
"""What the audit calls it."""


class Rotation:
    """Wraps keys by the current master, so many at an order. What is left says how far it has come."""

    def __init__(self, sealing: Sealing, work: UnitOfWork, audit: Audit) -> None:
        self._sealing, self._work, self._audit = sealing, work, audit

    async def state(self) -> VaultState:
        """Return how many keys there are, and how many wait for the current master."""
        return await self._sealing.state()

    async def rotate(self, staff_id: UUID) -> int:
        """Wrap the next keys anew, for an operator; return how many, 0 when none wait any more.

        Raises:   MasterUnknown (409): keys are wrapped by a master that is not among the settings.
        Effects:  the audit is told before a key is touched, so that none is without it.
        """
        waiting = await self._sealing.waiting(AT_ONCE_BY_KMS if self._sealing.asks_kms else AT_ONCE)
        if not waiting:
            return 0
        await self._work.run(partial(self._record, staff_id, len(waiting)))
        return await self._sealing.rewrap(waiting)

    async def _record(self, staff_id: UUID, count: int) -> None:
        await self._audit.record(
            ROTATED,
            ground="master-key-rotation",
            actor=staff_actor(staff_id),
            target=self._sealing.master,
            count=count,
        )
