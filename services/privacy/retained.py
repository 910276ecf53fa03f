"""Looks whether what the law had kept of people is gone when it lets go of it, for the amendment of certificates."""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

from libs.common.clock_guard import agreed_now
from libs.common.logging import logger
from libs.common.mongo import Mongo
from services.privacy.models import Case
from services.privacy.repository import CaseRepository
from services.privacy.service import PrivacyService

LOOK_EVERY_S = 60.0
A_DAY = timedelta(days=1)
"""A date is all that a certificate says: what is kept until a day goes in the course of it."""

log = logger("privacy.retained")


class Looks(Protocol):
    """Looks into the databases of all services, by itself."""

    async def retained(self, holding: str, before: datetime) -> bool:
        """Tell whether anybody's rows of a holding are there that the law lets go of before a moment."""
        ...


class Retained:
    """Every worker looks; a case is amended once however many do."""

    def __init__(self, cases: CaseRepository, service: PrivacyService, scanner: Looks, mongo: Mongo) -> None:
        self._cases, self._service, self._scanner, self._mongo = cases, service, scanner, mongo

    async def run(self) -> None:
        """Look from time to time, for as long as the process lives.

        Raises:   ClocksApart: what is looked for too early is looked for again by the clock that was ahead.
        """
        while True:
            await self.look(await agreed_now(self._mongo))
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, moment: datetime) -> int:
        """Look for what is over at a moment, case by case; return for how many that could be done."""
        looked = 0
        async for case_id in self._cases.to_look_at(moment):
            try:
                case = await self._service.case(case_id)
                await self._service.note_retained(case.id, moment, await self._gone(case, moment))
                looked += 1
            except Exception as error:
                log.warning("retained.not_looked", case_id=str(case_id), exc_info=error)
        return looked

    async def _gone(self, case: Case, moment: datetime) -> tuple[str, ...]:
        due = [(name, until) for name, until in case.saga.retained.items() if until <= moment]
        return tuple([name for name, until in due if not await self._scanner.retained(name, until + A_DAY)])
