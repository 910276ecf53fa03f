"""The clock of requests: reminders before a due date is missed, the end of what nobody proved, and the gauges."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from uuid import UUID

from libs.common.clock import now
from libs.common.clock_guard import agreed_now
from libs.common.logging import logger
from libs.common.mailing.request_news import News
from libs.common.work import UnitOfWork
from services.privacy.metrics import (
    REQUESTS_DUE_SOON,
    REQUESTS_OPEN,
    REQUESTS_OVERDUE,
    REQUESTS_REMINDED,
)
from services.privacy.requests import state
from services.privacy.requests.accepting import Accepting
from services.privacy.requests.kinds import Kind
from services.privacy.requests.models import State
from services.privacy.requests.rows import PersonRequests
from services.privacy.requests.telling import Telling

log = logger("privacy.requests")


class Deadlines:
    """Lets time pass for requests. Every worker does; each thing happens once."""

    def __init__(
        self,
        work: UnitOfWork,
        requests: PersonRequests,
        accepting: Accepting,
        telling: Telling,
        *,
        every_s: float,
    ) -> None:
        self._work, self._requests = work, requests
        self._accepting, self._telling, self._every_s = accepting, telling, every_s

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.pass_time()
            await self.measure()
            await asyncio.sleep(self._every_s)

    async def pass_time(self) -> None:
        """Remind of what is due soon, end what nobody proved in time, and destroy keys of nobody.

        Raises:   ClocksApart: whoever has time left to prove who they are would lose it.
        """
        moment = await agreed_now(self._work.mongo)
        await self._each(self._requests.to_remind(moment), self._remind)
        await self._each(self._requests.to_lapse(moment), self._lapse)
        await self._accepting.retire_writers()

    async def measure(self) -> None:
        """Set the gauges from what is open."""
        found = await self._requests.open_by_kind(now())
        for kind in Kind:
            row = found.get(kind.value, {})
            REQUESTS_OPEN.labels(kind.value).set(row.get("open", 0))
            REQUESTS_OVERDUE.labels(kind.value).set(row.get("overdue", 0))
            REQUESTS_DUE_SOON.labels(kind.value).set(row.get("due_soon", 0))

    async def _each(self, request_ids: AsyncIterator[UUID], step: Callable[[UUID], Awaitable[None]]) -> None:
        """Take a step for each request in a transaction of its own; one that fails keeps no other waiting."""
        async for request_id in request_ids:
            try:
                await self._work.run(partial(step, request_id))
            except Exception as error:
                log.warning("request.not_timed", request_id=str(request_id), exc_info=error)

    async def _remind(self, request_id: UUID) -> None:
        """Note that people are reminded, in an open transaction: an alert counts from it."""
        case = await self._requests.find(request_id)
        if case is None or case.remind_at is None or case.remind_at > now():
            return
        case.remind_at = None
        await self._requests.save(case)
        REQUESTS_REMINDED.labels(case.kind.value).inc()
        log.warning("request.due_soon", request_id=str(case.id), kind=case.kind.value)

    async def _lapse(self, request_id: UUID) -> None:
        case = await self._requests.find(request_id)
        if case is None or case.state is not State.UNPROVEN or case.due_at > now():
            return
        state.close(case, state.LAPSED, now())
        await self._requests.save(case)
        await self._telling.tell(case, News.LAPSED)
