"""Replays to a group that operators asked for, and how far each has come: a worker that dies is succeeded."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from aiokafka import TopicPartition
from pydantic import Field

from libs.common.clock import new_id, now
from libs.common.document import Document, Index
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Ends, Operational, Personal, Retention

MOST_TRIES = 10
"""How often a replay is begun again that does not get on."""
PATIENCE = timedelta(hours=1)
"""For how long it waits for what passes by itself; who does not get on for longer uses up tries with that too."""
WHILE_IT_RUNS = Retention("until the replay is over", ends=Ends.DONE)


class State(StrEnum):
    """Where a replay is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ReplayRun(Document):
    """One replay.

    Args:     types, topics: all of the group's where none is named; positions: the offsets that come next, by
              `topic:partition`; counts: by what became of it; lanes: the keys of which an event failed in it;
              tries: since it last got on, which was at `progress_at`.
    """

    collection: ClassVar[str] = "replays"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("state", 1), ("_id", 1))),)

    id: Operational[UUID] = Field(alias="_id", default_factory=new_id)
    group: Operational[str]
    since: Operational[datetime | None] = None
    until: Operational[datetime | None] = None
    types: Operational[list[str]] = Field(default_factory=list)
    topics: Operational[list[str]] = Field(default_factory=list)
    subject: Annotated[UUID | None, Personal("user.unique_id", retention=WHILE_IT_RUNS)] = None
    rate: Operational[int | None] = None
    deliver: Operational[bool] = False
    state: Operational[State] = State.WAITING
    tries: Operational[int] = 0
    progress_at: Operational[datetime | None] = None
    positions: Operational[dict[str, int]] = Field(default_factory=dict)
    counts: Operational[dict[str, int]] = Field(default_factory=dict)
    lanes: Annotated[list[UUID], Personal("user.unique_id", retention=WHILE_IT_RUNS)] = Field(
        default_factory=list
    )
    read: Operational[int] = 0
    total: Operational[int] = 0
    asked_at: Operational[datetime] = Field(default_factory=now)
    ended_at: Operational[datetime | None] = None

    def begins(self) -> dict[TopicPartition, int]:
        """Return the offsets that come next, as Kafka's client names them."""
        split = ((*name.rpartition(":")[::2], offset) for name, offset in self.positions.items())
        return {TopicPartition(topic, int(partition)): offset for topic, partition, offset in split}


class Runs:
    """The replays of one service."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(ReplayRun)

    async def add(self, run: ReplayRun) -> None:
        """Ask for a replay."""
        await self._rows.insert_one(run.to_mongo())

    async def find(self, run_id: UUID) -> ReplayRun | None:
        """Return a replay."""
        row = await self._rows.find_one({"_id": run_id})
        return ReplayRun.from_mongo(row) if row else None

    async def next(self) -> ReplayRun | None:
        """Return the oldest replay that is not over."""
        open_ = {"state": {"$in": [State.WAITING.value, State.RUNNING.value]}}
        row = await self._rows.find_one(open_, sort=[("_id", 1)])
        return ReplayRun.from_mongo(row) if row else None

    async def begin(self, run: ReplayRun) -> bool:
        """Count a try; False where there were too many, which ends it as failed."""
        if run.tries >= MOST_TRIES:
            await self.end(run, State.FAILED)
            return False
        run.tries += 1
        run.progress_at = run.progress_at or now()
        await self._set(run, state=State.RUNNING.value, tries=run.tries, progress_at=run.progress_at)
        return True

    async def put_off(self, run: ReplayRun) -> None:
        """Give a try back that an outage ended: it uses up none, unless it goes on for longer than our patience."""
        if run.tries and now() - (run.progress_at or run.asked_at) < PATIENCE:
            run.tries -= 1
            await self._set(run, tries=run.tries)

    async def note(self, run: ReplayRun, positions: dict[TopicPartition, int], read: int, total: int) -> None:
        """Note how far a replay is; where something was read, it gets on, and its tries begin anew."""
        by_name = {f"{at.topic}:{at.partition}": offset for at, offset in positions.items()}
        if read:
            run.tries, run.progress_at = 0, now()
        far = {"positions": by_name, "counts": run.counts, "lanes": run.lanes, "read": read, "total": total}
        await self._set(run, **far, tries=run.tries, progress_at=run.progress_at)

    async def end(self, run: ReplayRun, state: State) -> None:
        """Note that a replay is over. Effects: whom it was about is forgotten, and whose keys had to wait."""
        await self._set(run, state=state.value, ended_at=now(), subject=None, lanes=[])

    async def _set(self, run: ReplayRun, **fields: Any) -> None:
        await self._rows.update_one({"_id": run.id}, {"$set": fields})
