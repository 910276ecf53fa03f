"""The staff route by which operators see how retention stands; the same in every service."""

from fastapi import APIRouter, Request

from libs.common.clock import now
from libs.common.errors import Forbidden, Unauthenticated, problems
from libs.common.identity import Staff
from libs.common.privacy.retention.report import RetentionOut, Standing


def retention_routes(service: str) -> APIRouter:
    """Return a service's retention route."""
    router = APIRouter(prefix=f"/api/{service}/v1/staff", tags=[service])

    @router.get("/retention", responses=problems(Unauthenticated, Forbidden))
    async def show_retention(_: Staff, request: Request) -> RetentionOut:
        """Return what ends each holding, what its last sweep removed, and what is overdue."""
        standing: Standing = request.app.state.retention
        return await standing.report(now())

    return router
