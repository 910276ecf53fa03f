"""The staff route by which operators see how a service stands; the same in every service."""

from fastapi import APIRouter, Request

from libs.common.errors import Forbidden, problems
from libs.common.identity import Staff
from libs.common.status.report import Status, StatusOut


def status_routes(service: str) -> APIRouter:
    """Return a service's status route."""
    router = APIRouter(prefix=f"/api/{service}/v1/staff", tags=[service])

    @router.get("/status", responses=problems(Forbidden))
    async def show_status(_: Staff, request: Request) -> StatusOut:
        """Return how the service stands now: outbox, relay, consumer groups, dead letters, readiness."""
        status: Status = request.app.state.status
        return await status.measure()

    return router
