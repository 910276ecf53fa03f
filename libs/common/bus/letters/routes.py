"""The staff routes to a service's dead letters; the same in every service."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from libs.common.bus.letters.desk import ArchiveUnavailable, Desk, matching
from libs.common.bus.letters.errors import LetterNotFound, LetterSettled, LetterUnderWay, LetterWaits
from libs.common.bus.letters.rows import State
from libs.common.bus.letters.schemas import (
    DepthsOut,
    LetterOut,
    LetterShownOut,
    ReasonIn,
    RedriveIn,
    RedrivenOut,
)
from libs.common.errors import Forbidden, Invalid, Unauthenticated, problems
from libs.common.identity import Staff
from libs.common.mongo import Filter
from libs.common.pagination import CursorParam, InvalidCursor, Limit, Page, after_cursor, encode_cursor

PAGE = 20
LET_IN = (Unauthenticated, Forbidden)

Name = Annotated[str | None, Query(max_length=128)]
Seconds = Annotated[float | None, Query(ge=0, description="seconds since it came")]


async def wanted_letters(
    group: Name = None,
    topic: Name = None,
    code: Name = None,
    state: State | None = None,
    older_than: Seconds = None,
) -> Filter:
    """Return the filter of the letters that a request names."""
    return matching(group, topic, code, older_than, state)


async def desk_of(request: Request) -> Desk:
    """Return the service's desk."""
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(desk_of)]
Wanted = Annotated[Filter, Depends(wanted_letters)]


def letter_routes(service: str) -> APIRouter:
    """Return a service's routes to its dead letters."""
    router = APIRouter(prefix=f"/api/{service}/v1/staff/dead-letters", tags=[service])
    _reading(router)
    _doing(router)
    return router


def _reading(router: APIRouter) -> None:
    @router.get("", responses=problems(*LET_IN, InvalidCursor))
    async def list_letters(
        _: Staff, desk: TheDesk, wanted: Wanted, cursor: CursorParam = None, limit: Limit = PAGE
    ) -> Page[LetterOut]:
        """Return dead letters and what waits behind them, the newest first."""
        rows = await desk.box.page({"$and": [wanted, after_cursor(cursor, made_at="at")]}, limit + 1)
        page = rows[:limit]
        more = encode_cursor(page[-1].at, page[-1].id) if len(rows) > limit else None
        return Page(items=[LetterOut.of(row) for row in page], next_cursor=more)

    @router.get("/depth", responses=problems(*LET_IN))
    async def show_depth(_: Staff, desk: TheDesk) -> DepthsOut:
        """Return how many letters wait in each consumer group, and for how long."""
        return DepthsOut(groups=await desk.depths())

    @router.get("/{letter_id}", responses=problems(*LET_IN, LetterNotFound, ArchiveUnavailable))
    async def show_letter(letter_id: UUID, _: Staff, desk: TheDesk) -> LetterShownOut:
        """Return one dead letter with its record: the body where it is an event, else its size and first bytes."""
        return await desk.show(letter_id)


def _doing(router: APIRouter) -> None:
    @router.post("/redrive", status_code=202, responses=problems(*LET_IN, Invalid, InvalidCursor))
    async def redrive_letters(asked: RedriveIn, staff: Staff, desk: TheDesk) -> RedrivenOut:
        """Ask for the open letters that fit to be delivered again, the oldest first, so many at once.

        Effects:  each is delivered shortly, under its own id and trace, then what waits behind it.
        """
        return await desk.redrive(asked, staff.id)

    @router.post(
        "/{letter_id}/redrive",
        status_code=202,
        responses=problems(*LET_IN, LetterNotFound, LetterSettled, LetterWaits, Invalid),
    )
    async def redrive_letter(letter_id: UUID, asked: ReasonIn, staff: Staff, desk: TheDesk) -> LetterOut:
        """Ask for one letter to be delivered again; asked twice, it has its effect once.

        Effects:  it is delivered shortly, under its own id and trace, then what waits behind it.
        """
        return LetterOut.of(await desk.box.ask(letter_id, staff.id, asked.reason))

    @router.post(
        "/{letter_id}/discard",
        responses=problems(*LET_IN, LetterNotFound, LetterSettled, LetterUnderWay, Invalid),
    )
    async def discard_letter(letter_id: UUID, asked: ReasonIn, staff: Staff, desk: TheDesk) -> LetterOut:
        """Give a letter up for good, for a reason; what waits behind it has its turn, in order."""
        return LetterOut.of(await desk.box.discard(letter_id, staff.id, asked.reason))
