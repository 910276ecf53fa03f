"""Rebuilds that operators asked for, and how far each has come: a worker that dies is succeeded where it was."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from aiokafka import TopicPartition
from pydantic import Field

from libs.common.clock import new_id, now
from libs.common.document import Document, Index
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Operational

MOST_TRIES = 5


class State(StrEnum):
    """Where a rebuild is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RebuildRun(Document):
    """One rebuild. Args: positions: the offsets that come next, by `topic:partition`; result: of a Verdict."""

    collection: ClassVar[str] = "rebuilds"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("state", 1), ("_id", 1))),)

    id: Operational[UUID] = Field(alias="_id", default_factory=new_id)
    model: Operational[str]
    swap: Operational[bool]
    state: Operational[State] = State.WAITING
    tries: Operational[int] = 0
    positions: Operational[dict[str, int]] = Field(default_factory=dict)
    read: Operational[int] = 0
    total: Operational[int] = 0
    result: Operational[dict[str, int]] = Field(default_factory=dict)
    equal: Operational[bool | None] = None
    asked_at: Operational[datetime] = Field(default_factory=now)
    ended_at: Operational[datetime | None] = None


class Runs:
    """The rebuilds of one service."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(RebuildRun)

    async def add(self, run: RebuildRun) -> None:
        """Ask for a rebuild."""
        await self._rows.insert_one(run.to_mongo())

    async def find(self, run_id: UUID) -> RebuildRun | None:
        """Return a rebuild."""
        row = await self._rows.find_one({"_id": run_id})
        return RebuildRun.from_mongo(row) if row else None

    async def open_of(self, model: str) -> RebuildRun | None:
        """Return the rebuild of a read model that is not over."""
        return await self._next({"model": model})

    async def next(self) -> RebuildRun | None:
        """Return the oldest rebuild that is not over."""
        return await self._next({})

    async def begin(self, run: RebuildRun) -> RebuildRun | None:
        """Count a try; None where there were too many, which ends it as failed."""
        if run.tries >= MOST_TRIES:
            await self._set(run.id, state=State.FAILED.value, ended_at=now())
            return None
        await self._set(run.id, state=State.RUNNING.value, tries=run.tries + 1)
        return run

    async def note(
        self, run: RebuildRun, positions: dict[TopicPartition, int], read: int, total: int
    ) -> None:
        """Note how far the folding has come, in the open transaction that holds what was folded."""
        by_name = {f"{at.topic}:{at.partition}": offset for at, offset in positions.items()}
        run.positions.update(by_name)
        await self._set(run.id, positions=run.positions, read=read, total=total)

    async def begin_anew(self, run: RebuildRun) -> None:
        """Forget how far the folding had come."""
        await self._set(run.id, positions={})

    async def end(self, run: RebuildRun, result: dict[str, int], *, equal: bool) -> None:
        """Note what came of a rebuild."""
        await self._set(run.id, state=State.DONE.value, result=result, equal=equal, ended_at=now())

    async def _next(self, query: dict[str, Any]) -> RebuildRun | None:
        open_ = {"state": {"$in": [State.WAITING.value, State.RUNNING.value]}}
        row = await self._rows.find_one(query | open_, sort=[("_id", 1)])
        return RebuildRun.from_mongo(row) if row else None

    async def _set(self, run_id: UUID, **fields: Any) -> None:
        await self._rows.update_one({"_id": run_id}, {"$set": fields})


def positions_of(run: RebuildRun) -> dict[TopicPartition, int]:
    """Return the offsets that come next as Kafka's client names them."""
    found = {}
    for name, offset in run.positions.items():
        topic, _, partition = name.rpartition(":")
        found[TopicPartition(topic, int(partition))] = offset
    return found
