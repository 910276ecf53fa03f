"""Rebuilds of read models that operators asked for."""

from typing import ClassVar

from pydantic import Field

from libs.common.clock import now
from libs.common.document import Index
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Operational
from libs.common.runs import Run, Runs, State


class RebuildRun(Run):
    """One rebuild. Args: result: of a Verdict."""

    collection: ClassVar[str] = "rebuilds"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("state", 1), ("_id", 1))),)

    model: Operational[str]
    swap: Operational[bool]
    result: Operational[dict[str, int]] = Field(default_factory=dict)
    equal: Operational[bool | None] = None


class RebuildRuns(Runs[RebuildRun]):
    """The rebuilds of one service."""

    def __init__(self, mongo: Mongo) -> None:
        super().__init__(mongo, RebuildRun)

    async def begin_anew(self, run: RebuildRun) -> None:
        """Forget how far the folding had come."""
        await self._set(run, positions={})

    async def conclude(self, run: RebuildRun, result: dict[str, int], *, equal: bool) -> None:
        """Note what came of a rebuild."""
        await self._set(run, state=State.DONE.value, result=result, equal=equal, ended_at=now())
