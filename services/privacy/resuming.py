"""Going on after a restore: exports are in no backup, and the requests that they answer are (ADR 0025)."""

import asyncio
from contextlib import suppress
from functools import partial
from uuid import UUID

from libs.common.errors import SubjectErased
from libs.common.events.privacy import RequestKind
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.privacy.exports.service import ANSWERED, Exports
from services.privacy.requests.rows import PersonRequests

EVERY_S = 600.0

log = logger("privacy.exports")


class Resuming:
    """Begins anew what accepted requests wait for and a restore has left out."""

    def __init__(self, requests: PersonRequests, exports: Exports, work: UnitOfWork) -> None:
        self._requests, self._exports, self._work = requests, exports, work

    async def run(self) -> None:
        """Begin what is missing when a worker starts, and once more what failed, for as long as the process lives."""
        while True:
            await self.begin_exports()
            await asyncio.sleep(EVERY_S)

    async def begin_exports(self) -> None:
        """Begin an export for each accepted request that none answers; where nothing was restored, each has one.

        Their events are in the restored inbox: nobody else begins it. Several workers may do it at once, also
        beside an event that is still on its way: an export is begun once for each request. One that fails holds up
        no other.

        Effects:  as of `Exports.begin`.
        """
        async for request_id, user_id, kind in self._requests.accepted(ANSWERED):
            try:
                await self._begin_export(request_id, user_id, kind)
            except Exception as error:
                log.warning("export.not_resumed", request_id=str(request_id), exc_info=error)

    async def _begin_export(self, request_id: UUID, user_id: UUID, kind: RequestKind) -> None:
        """Begin an export where a request has none: as a rule it has, and that takes no transaction to see."""
        if await self._exports.is_begun(user_id, request_id):
            return
        with suppress(SubjectErased):  # the request goes with its person
            await self._work.run(partial(self._exports.begin, user_id, request_id, kind), subject=user_id)
