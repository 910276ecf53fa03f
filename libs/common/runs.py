"""Work on the log that operators order, and how far it has come: a worker that dies is succeeded where it was."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from aiokafka import TopicPartition
from pydantic import Field

from libs.common.clock import new_id, now
from libs.common.document import Document
from libs.common.mongo import Mongo, Row
from libs.common.privacy.annotations import Operational

MOST_TRIES = 10
"""How often a run is begun again that does not get on."""
PATIENCE = timedelta(hours=1)
"""For how long it waits for what passes by itself; who does not get on for longer uses up tries with that too."""


class State(StrEnum):
    """Where a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


OPEN = (State.WAITING.value, State.RUNNING.value)
LATEST_FIRST = (("_id", -1),)


class Run(Document, abstract=True):
    """One order, and how far it is.

    Args:     positions: the offsets that come next, by `topic:partition`; caught_up: it has read what there was: what
              comes now is no sign that it gets on; tries: since it last got on, which was at `progress_at`.
    """

    id: Operational[UUID] = Field(alias="_id", default_factory=new_id)
    state: Operational[State] = State.WAITING
    caught_up: Operational[bool] = False
    tries: Operational[int] = 0
    progress_at: Operational[datetime | None] = None
    positions: Operational[dict[str, int]] = Field(default_factory=dict)
    read: Operational[int] = 0
    total: Operational[int] = 0
    asked_at: Operational[datetime] = Field(default_factory=now)
    ended_at: Operational[datetime | None] = None

    def begins(self) -> dict[TopicPartition, int]:
        """Return the offsets that come next, as Kafka's client names them."""
        split = ((*name.rpartition(":")[::2], offset) for name, offset in self.positions.items())
        return {TopicPartition(topic, int(partition)): offset for topic, partition, offset in split}


R = TypeVar("R", bound=Run)


class Runs(Generic[R]):
    """The runs of one kind in a service."""

    def __init__(self, mongo: Mongo, kind: type[R]) -> None:
        self._kind, self._rows = kind, mongo.collection(kind)

    async def add(self, run: R) -> None:
        """Order a run."""
        await self._rows.insert_one(run.to_mongo())

    async def find(self, run_id: UUID) -> R | None:
        """Return a run."""
        row = await self._rows.find_one({"_id": run_id})
        return self._kind.from_mongo(row) if row else None

    async def latest(self, limit: int) -> list[R]:
        """Return runs, the latest ordered first."""
        return [
            self._kind.from_mongo(row) for row in await self._rows.find({}, sort=LATEST_FIRST, limit=limit)
        ]

    async def next(self, **of: Any) -> R | None:
        """Return the oldest run that is not over. Args: of: values of fields that it has."""
        row = await self._rows.find_one(of | {"state": {"$in": OPEN}}, sort=[("_id", 1)])
        return self._kind.from_mongo(row) if row else None

    async def begin(self, run: R, **more: Any) -> bool:
        """Count a try; False where it is over by now, or there were too many, which ends it as failed.

        Args:     more: what else is to be noted, by field.
        """
        if run.tries >= MOST_TRIES:
            await self.end(run, State.FAILED)
            return False
        run.tries += 1
        run.progress_at = run.progress_at or now()
        begun = {"state": State.RUNNING.value, "tries": run.tries, "progress_at": run.progress_at}
        return await self._set(run, **begun, **more)

    async def put_off(self, run: R) -> None:
        """Give a try back that an outage ended: it uses up none, unless it goes on for longer than our patience."""
        if run.tries and now() - (run.progress_at or run.asked_at) < PATIENCE:
            run.tries -= 1
            await self._set(run, tries=run.tries)

    async def note(
        self, run: R, positions: dict[TopicPartition, int], read: int, total: int, **more: Any
    ) -> bool:
        """Note how far a run is; where it gets on, its tries begin anew.

        Args:     more: what else is to be noted, by field.
        Returns:  whether it is to go on: False where somebody stopped it.
        """
        run.positions |= {f"{at.topic}:{at.partition}": offset for at, offset in positions.items()}
        if read and not run.caught_up:
            run.tries, run.progress_at = 0, now()
        far = {"positions": run.positions, "read": read, "total": total}
        return await self._set(run, **far, **more, tries=run.tries, progress_at=run.progress_at)

    async def note_caught_up(self, run: R) -> None:
        """Note that a run has read what there was."""
        run.caught_up = True
        await self._set(run, caught_up=True)

    async def end(self, run: R, state: State) -> bool:
        """Note that a run is over; tell whether it was not before."""
        return await self._set(run, state=state.value, ended_at=now())

    async def _set(self, run: R, **fields: Any) -> bool:
        """Change a run that is not over: nothing does that to one that is."""
        return bool(await self._rows.update_one(self._open(run), {"$set": fields}))

    def _open(self, run: R) -> Row:
        return {"_id": run.id, "state": {"$in": OPEN}}
