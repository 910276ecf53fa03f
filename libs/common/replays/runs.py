"""Replays to a group that operators asked for."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.clock import now
from libs.common.document import Index
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Ends, Operational, Personal, Retention
from libs.common.runs import Run, Runs, State

WHILE_IT_RUNS = Retention("until the replay is over", ends=Ends.DONE)


class ReplayRun(Run):
    """One replay.

    Args:     types, topics: all of the group's where none is named; counts: by what became of it; lanes: the keys
              of which an event failed in it.
    """

    collection: ClassVar[str] = "replays"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("state", 1), ("_id", 1))),)

    group: Operational[str]
    since: Operational[datetime | None] = None
    until: Operational[datetime | None] = None
    types: Operational[list[str]] = Field(default_factory=list)
    topics: Operational[list[str]] = Field(default_factory=list)
    subject: Annotated[UUID | None, Personal("user.unique_id", retention=WHILE_IT_RUNS)] = None
    rate: Operational[int | None] = None
    deliver: Operational[bool] = False
    counts: Operational[dict[str, int]] = Field(default_factory=dict)
    lanes: Annotated[list[UUID], Personal("user.unique_id", retention=WHILE_IT_RUNS)] = Field(
        default_factory=list
    )


class ReplayRuns(Runs[ReplayRun]):
    """The replays of one service."""

    def __init__(self, mongo: Mongo) -> None:
        super().__init__(mongo, ReplayRun)

    async def end(self, run: ReplayRun, state: State) -> bool:
        """Note that a replay is over. Effects: whom it was about is forgotten, and whose keys had to wait."""
        return await self._set(run, state=state.value, ended_at=now(), subject=None, lanes=[])
