"""The staff routes by which a service hands the log to one of its groups again; the same in every service."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, Field

from libs.common.errors import Forbidden, problems
from libs.common.events.base import Code
from libs.common.identity import Staff
from libs.common.replays.replays import ReplayNotFound, ReplayOver, Replays, UnknownGroup, UnreadTopics
from libs.common.replays.runs import ReplayRun
from libs.common.runs import State

MOST_NAMES = 50


class ReplayIn(BaseModel):
    """Which events, to which group.

    Args:     types, topics: all that the group reads where none is named; deliver: else it is only told what would
              become of them.
    """

    group: Code
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    types: list[str] = Field(default_factory=list, max_length=MOST_NAMES)
    topics: list[str] = Field(default_factory=list, max_length=MOST_NAMES)
    subject: UUID | None = None
    rate: int | None = Field(None, ge=1)
    deliver: bool = False


class ReplayOut(BaseModel):
    """A replay and how far it is: `read` of `total` records, and what became of those that were selected."""

    id: UUID
    group: str
    deliver: bool
    state: State
    read: int
    total: int
    counts: dict[str, int]
    asked_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, run: ReplayRun) -> Self:
        """Return a replay as operators see it."""
        return cls.model_validate(run.model_dump())


class ReplaysOut(BaseModel):
    """The latest replays, the latest ordered first."""

    items: list[ReplayOut]


async def _replays(request: Request) -> Replays:
    found: Replays = request.app.state.replays
    return found


Known = Annotated[Replays, Depends(_replays)]


def replay_routes(service: str) -> APIRouter:
    """Return a service's routes for replays to its groups."""
    router = APIRouter(prefix=f"/api/{service}/v1/staff/replays", tags=[service])

    @router.post("", status_code=202, responses=problems(Forbidden, UnknownGroup, UnreadTopics))
    async def order_replay(wanted: ReplayIn, staff: Staff, replays: Known) -> ReplayOut:
        """Hand events of the log to a group again, or tell what would become of them.

        What the group's inbox knows has no effect again, and what is about somebody erased has none at all. What
        would overtake an event of its key that failed waits: it is left for another replay. What the group has not
        come to is left to its consumer.

        Raises:   UnknownGroup, UnreadTopics (422).
        Effects:  the order, which a worker carries out; publishes action.recorded.
        """
        return ReplayOut.of(await replays.ask(ReplayRun(**wanted.model_dump()), staff.id))

    @router.get("", responses=problems(Forbidden))
    async def list_replays(_: Staff, replays: Known) -> ReplaysOut:
        """Return the latest replays to the service's groups, and how far each is."""
        return ReplaysOut(items=[ReplayOut.of(run) for run in await replays.latest()])

    @router.post("/{run_id}/stop", responses=problems(Forbidden, ReplayNotFound, ReplayOver))
    async def stop_replay(run_id: UUID, staff: Staff, replays: Known) -> ReplayOut:
        """Stop a replay: what was handed over stays so, and at most what its worker is at is delivered still.

        Raises:   ReplayNotFound (404).  ReplayOver (409).
        Effects:  publishes action.recorded.
        """
        return ReplayOut.of(await replays.stop(run_id, staff.id))

    @router.get("/{run_id}", responses=problems(Forbidden, ReplayNotFound))
    async def show_replay(run_id: UUID, _: Staff, replays: Known) -> ReplayOut:
        """Return how far a replay is."""
        return ReplayOut.of(await replays.find(run_id))

    return router
