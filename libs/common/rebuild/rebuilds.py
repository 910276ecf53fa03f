"""A service's rebuilds: asked for by operators, carried out by one of its workers."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from uuid import UUID

from libs.common.audit import Audit, staff_actor
from libs.common.bus.lease import Lease
from libs.common.bus.replay import LogUnavailable
from libs.common.errors import Conflict, Invalid, NotFound
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.rebuild.comparing import Comparing
from libs.common.rebuild.folding import Folding
from libs.common.rebuild.model import ReadModel
from libs.common.rebuild.rebuilding import Rebuilding
from libs.common.rebuild.runs import RebuildRun, RebuildRuns
from libs.common.work import UnitOfWork

LOOK_EVERY_S = 1.0
LEASE_S = 6.0

log = logger("rebuild")


class UnknownModel(Invalid):
    """The service has no read model of that name."""

    code, title = "unknown-read-model", "There is no such read model here"


class RebuildUnderWay(Conflict):
    """The read model is being rebuilt already."""

    code, title = "rebuild-under-way", "This read model is being rebuilt already"


class RebuildNotFound(NotFound):
    """There is no such rebuild."""

    code, title = "rebuild-not-found", "There is no such rebuild"


class Rebuilds:
    """Takes orders, and carries them out one at a time. Args: models: the service's, that can be rebuilt."""

    def __init__(
        self, bootstrap: str, mongo: Mongo, work: UnitOfWork, audit: Audit, models: Iterable[ReadModel]
    ) -> None:
        self._bootstrap, self._mongo, self._work, self._audit = bootstrap, mongo, work, audit
        self._models = {model.name: model for model in models}
        self._runs = RebuildRuns(mongo)

    async def prepare(self) -> None:
        """Make the collection of the rebuilds."""
        await self._mongo.prepare([RebuildRun])

    async def ask(self, model: str, staff_id: UUID, *, swap: bool) -> RebuildRun:
        """Order a rebuild.

        Raises:   UnknownModel (422).  RebuildUnderWay (409).
        Effects:  the order; publishes action.recorded.
        """
        if model not in self._models:
            raise UnknownModel
        if await self._runs.next(model=model):
            raise RebuildUnderWay
        run = RebuildRun(model=model, swap=swap)
        await self._work.run(partial(self._ask, run, staff_id))
        return run

    async def find(self, run_id: UUID) -> RebuildRun:
        """Return a rebuild. Raises: RebuildNotFound (404)."""
        if run := await self._runs.find(run_id):
            return run
        raise RebuildNotFound

    async def work_for_ever(self) -> None:
        """Carry out what is ordered, for as long as the process lives; one worker of the service does."""
        while True:
            if await self._runs.next():
                lease = Lease(self._mongo, "rebuilds", LEASE_S)
                async with lease.held():
                    await self._work_off(lease)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _work_off(self, lease: Lease) -> None:
        while run := await self._runs.next():
            lease.require()
            if await self._runs.begin(run):
                await self._attempt(run, lease)
            else:
                log.error("rebuild.failed", model=run.model, tries=run.tries)

    async def _attempt(self, run: RebuildRun, lease: Lease) -> None:
        """Carry a rebuild out. Raises LogUnavailable, LeaseLost: another try goes on from there."""
        try:
            await self._carry_out(run, lease)
        except LogUnavailable:
            await self._runs.put_off(run)
            raise
        log.info("rebuild.done", model=run.model)

    async def _carry_out(self, run: RebuildRun, lease: Lease) -> None:
        model, tombstones = self._models[run.model], self._work.tombstones
        folding = Folding(self._mongo, tombstones, self._runs, model, run)
        comparing = Comparing(self._mongo, tombstones, self._runs, model, run)
        rebuilding = Rebuilding(folding, comparing, model, run, lease)
        verdict = await rebuilding.run(self._bootstrap)
        # whoever succeeds us between these three finds nothing half thrown away
        await self._runs.begin_anew(run)
        await folding.clear()
        await self._runs.conclude(run, asdict(verdict), equal=verdict.equal)

    async def _ask(self, run: RebuildRun, staff_id: UUID) -> None:
        await self._runs.add(run)
        action = "read-model.swapped" if run.swap else "read-model.compared"
        await self._audit.record(action, ground="operations", actor=staff_actor(staff_id), target=run.model)
