"""The clock of the cases, and the gauges that alerts are made of."""

import asyncio

from libs.common.clock import now
from services.privacy.metrics import (
    HELD,
    INCOMPLETE,
    OLDEST_OPEN,
    OPEN,
    OVERDUE,
    STEP_OLDEST,
    WAITING,
)
from services.privacy.protocol import Phase
from services.privacy.repository import CaseRepository
from services.privacy.service import PrivacyService

GAUGES_EVERY_S = 5.0
SETTLE_EVERY_S = 10.0


class Watching:
    """Ticks due cases, and tells how old what is open has become. Every worker does; it harms nothing."""

    def __init__(self, cases: CaseRepository, service: PrivacyService, *, every_s: float) -> None:
        self._cases, self._service, self._every_s = cases, service, every_s

    async def tick(self) -> None:
        """Let time pass for cases that wait for it, for as long as the process lives."""
        while True:
            if not await self._service.tick_due():
                await asyncio.sleep(self._every_s)

    async def gauge(self) -> None:
        """Keep the gauges up to date, for as long as the process lives."""
        while True:
            await self.measure()
            await asyncio.sleep(GAUGES_EVERY_S)

    async def settle(self) -> None:
        """Apply holds that were confirmed by a process that died before it could, while the process lives."""
        while True:
            await self._service.holds.effects.settle_all()
            await asyncio.sleep(SETTLE_EVERY_S)

    async def measure(self) -> None:
        """Set every gauge from the open cases."""
        moment = now()
        phases = {each.phase: each for each in await self._cases.open_by_phase()}
        for phase in Phase:
            since = phases[phase].since if phase in phases else moment
            STEP_OLDEST.labels(phase.value).set((moment - since).total_seconds())
        oldest = min((each.oldest for each in phases.values()), default=moment)
        OLDEST_OPEN.set((moment - oldest).total_seconds())
        OPEN.set(sum(each.cases for each in phases.values()))
        OVERDUE.set(sum(each.overdue for each in phases.values()))
        shown = ((INCOMPLETE, Phase.INCOMPLETE), (HELD, Phase.HELD), (WAITING, Phase.WAITING))
        for gauge, phase in shown:
            gauge.set(phases[phase].cases if phase in phases else 0)
