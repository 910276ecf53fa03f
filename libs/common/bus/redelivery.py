"""Delivering a stored record again, outside of its group's consumer and through the same code."""

import asyncio
import time
from functools import partial

from libs.common.bus.consumes import AlreadyDone
from libs.common.bus.effects import Effects
from libs.common.bus.envelope import Record
from libs.common.bus.once import perform
from libs.common.bus.parts import Parts
from libs.common.bus.settling import Abandoned, NotDelivered, Outcome, Settler
from libs.common.errors import SubjectErased

PATIENCE_S = 10.0
"""How long a delivery waits for what passes by itself, before it is put off."""


class Redelivery:
    """Hands records to one group's handlers once more. The inbox and the fence decide as in the consumer.

    Id, trace and time of the event are the record's own: nothing is published anew, so nobody else sees it again.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._effects = parts, Effects(parts)
        self._settler = Settler(parts.group.name, _Told(), parts.settings)

    @property
    def group(self) -> str:
        """Return the consumer group that is delivered to."""
        return self._parts.group.name

    async def deliver(self, record: Record) -> Outcome:
        """Give a record its effect in the group, unless it has had it there.

        Args:     record: with the topic, partition, offset and headers that it had at its origin.
        Returns:  DONE; DUPLICATE: it had its effect before; ERASED: its person is; IGNORED: it is not read here.
        Raises:   NotDelivered: it fails, in a way that passes not by itself. Abandoned: not now; try again later.
        """
        attempt = self._perform if self._parts.group.io else self._effects.single
        pause = partial(_pause, time.monotonic() + PATIENCE_S)
        return await self._settler.settle(record, partial(attempt, record), pause)

    async def _perform(self, record: Record) -> None:
        received = self._parts.receive(record)
        if await self._parts.inbox.known([received.id]):
            await self._parts.sweep_late([received])
            raise AlreadyDone(received.id)
        if await self._parts.erased([received]):
            raise SubjectErased
        await perform(self._parts, received)


class _Told:
    """Where failures go: to the caller, and not among the dead letters, where the record may lie already."""

    async def put(self, record: Record, code: str, error: str) -> None:  # noqa: ARG002 - the caller has the record
        """Raises: NotDelivered."""
        raise NotDelivered(code, error)


async def _pause(until: float, seconds: float) -> None:
    """Sleep. Raises: Abandoned: that would take longer than the caller is to wait."""
    if seconds > 0 and time.monotonic() + seconds > until:
        raise Abandoned
    await asyncio.sleep(seconds)
