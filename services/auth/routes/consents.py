"""The signed-in person's switchboard: what they consent and object to."""

from uuid import UUID

from fastapi import APIRouter

from libs.common.errors import Unauthenticated, problems
from libs.common.identity import CurrentUser
from libs.common.pagination import Limit, Page
from libs.common.privacy.annotations import ChosenPurpose
from services.auth.agreement_schemas import ConsentsOut, DecisionIn, DecisionOut
from services.auth.errors import DecisionUnfit
from services.auth.routes.parameters import PREFIX, Service

PAGE = 20

router = APIRouter(prefix=f"{PREFIX}/me/consents", tags=["consents"])


@router.get("", responses=problems(Unauthenticated))
async def show_switchboard(user: CurrentUser, service: Service) -> ConsentsOut:
    """Return every purpose that people decide about, and the person's last word about each.

    Personal: all of it, to their own subject only.
    """
    return ConsentsOut.of(await service.consenting.standings(user.id))


@router.get("/history", responses=problems(Unauthenticated))
async def list_decisions(
    user: CurrentUser, service: Service, after: UUID | None = None, limit: Limit = PAGE
) -> Page[DecisionOut]:
    """Return the person's decisions, the latest first; `next_cursor` is the next `after`.

    Personal: all of it, to their own subject only.
    """
    rows = await service.consenting.history(user.id, after, limit + 1)
    more = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[DecisionOut.of(row) for row in rows[:limit]], next_cursor=more)


@router.put("/{purpose}", responses=problems(Unauthenticated, DecisionUnfit))
async def decide(
    purpose: ChosenPurpose, body: DecisionIn, user: CurrentUser, service: Service
) -> ConsentsOut:
    """Give consent or withdraw it, object or no longer do: one call for either, followed at once.

    Effects:  what was kept for a refused purpose goes; publishes consent.changed.
    """
    await service.consenting.decide(user.id, purpose, body.state)
    return ConsentsOut.of(await service.consenting.standings(user.id))
