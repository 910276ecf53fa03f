"""Rebuilds of read models that operators asked for."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.bus.lease import LeaseLost
from libs.common.clock import new_id, now
from libs.common.document import Index
from libs.common.mongo import Mongo, Row
from libs.common.privacy.annotations import Operational
from libs.common.runs import Run, Runs, State


class RebuildRun(Run):
    """One rebuild.

    Args:     holder: whose try it is; events, corrected: of a Verdict, by all tries so far, counted with what they
              did; result: of a Verdict, once it is done.
    """

    collection: ClassVar[str] = "rebuilds"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("state", 1), ("_id", 1))),)

    model: Operational[str]
    swap: Operational[bool]
    holder: Operational[UUID | None] = None
    events: Operational[int] = 0
    corrected: Operational[int] = 0
    result: Operational[dict[str, int]] = Field(default_factory=dict)
    equal: Operational[bool | None] = None


class RebuildRuns(Runs[RebuildRun]):
    """The rebuilds of one service.

    The facts are shared by all rebuilds of a model, and a worker that stalled finds out late that its lease is over.
    So it writes nothing, in the facts or here, unless the run is still its own in the same transaction.
    """

    def __init__(self, mongo: Mongo) -> None:
        super().__init__(mongo, RebuildRun)

    async def begin(self, run: RebuildRun, **more: Any) -> bool:
        """Count a try, and make the run this worker's own. Raises: LeaseLost: another was faster."""
        mine = new_id()
        begun = await super().begin(run, holder=mine, **more)
        run.holder = mine
        return begun

    async def require(self, run: RebuildRun) -> None:
        """Raises: LeaseLost: another has taken the run over, or has ended it."""
        if await self._rows.find_one(self._open(run), projection={"_id": 1}) is None:
            raise LeaseLost("rebuilds")

    async def begin_anew(self, run: RebuildRun) -> None:
        """Forget how far the folding had come."""
        await self._set(run, positions={}, events=0)

    async def note_corrected(self, run: RebuildRun, corrected: int) -> None:
        """Note how many rows were replaced so far, in the open transaction that replaces the last of them."""
        await self._set(run, corrected=corrected)

    async def conclude(self, run: RebuildRun, result: dict[str, int], *, equal: bool) -> None:
        """Note what came of a rebuild."""
        await self._set(run, state=State.DONE.value, result=result, equal=equal, ended_at=now())

    async def _set(self, run: RebuildRun, **fields: Any) -> bool:
        """Change a run that is this worker's own. Raises: LeaseLost, as above."""
        if not await super()._set(run, **fields):
            raise LeaseLost("rebuilds")
        return True

    def _open(self, run: RebuildRun) -> Row:
        return super()._open(run) | {"holder": run.holder}
