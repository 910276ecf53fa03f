"""The staff routes by which read models are rebuilt; the same in every service that has some."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from libs.common.errors import Forbidden, problems
from libs.common.events.base import Code
from libs.common.identity import Staff
from libs.common.rebuild.rebuilds import RebuildNotFound, Rebuilds, RebuildUnderWay, UnknownModel
from libs.common.rebuild.runs import RebuildRun
from libs.common.runs import State


class RebuildIn(BaseModel):
    """Which read model, and whether rows that differ are replaced by rebuilt ones."""

    model: Code
    swap: bool = False


class RebuildOut(BaseModel):
    """A rebuild and how far it is. `read` of `total` records are folded; `equal` once it is done."""

    id: UUID
    model: str
    swap: bool
    state: State
    read: int
    total: int
    result: dict[str, int]
    equal: bool | None
    asked_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, run: RebuildRun) -> Self:
        """Return a rebuild as operators see it."""
        return cls.model_validate(run.model_dump())


async def _rebuilds(request: Request) -> Rebuilds:
    found: Rebuilds = request.app.state.parts.rebuilds
    return found


Known = Annotated[Rebuilds, Depends(_rebuilds)]


def rebuild_routes(service: str) -> APIRouter:
    """Return a service's routes for rebuilding its read models."""
    router = APIRouter(prefix=f"/api/{service}/v1/staff/rebuilds", tags=[service])

    @router.post("", status_code=202, responses=problems(Forbidden, UnknownModel, RebuildUnderWay))
    async def rebuild(wanted: RebuildIn, staff: Staff, rebuilds: Known) -> RebuildOut:
        """Order a read model to be rebuilt from the log and compared with the live one, which goes on serving.

        Raises:   UnknownModel (422).  RebuildUnderWay (409).
        Effects:  the order, which a worker carries out; publishes action.recorded.
        """
        return RebuildOut.of(await rebuilds.ask(wanted.model, staff.id, swap=wanted.swap))

    @router.get("/{run_id}", responses=problems(Forbidden, RebuildNotFound))
    async def show_rebuild(run_id: UUID, _: Staff, rebuilds: Known) -> RebuildOut:
        """Return how far a rebuild has come, and what came of it."""
        return RebuildOut.of(await rebuilds.find(run_id))

    return router
