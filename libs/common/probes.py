"""What Kubernetes, Prometheus and operators ask a process: whether it lives, whether it can work, how it goes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common.bus.process import Bus
from libs.common.logging import logger
from libs.common.mongo import Mongo, PyMongoError

Check = Callable[[], Awaitable[None]]
"""Raises when the process is not ready."""

ANSWERS_WITHIN_S = 1.5

log = logger("ready")


def probe_routes() -> APIRouter:
    """Return the routes that the platform's operators and Kubernetes use; the gateway does not lead here."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def live(request: Request) -> JSONResponse:
        """Tell whether the process makes progress, or at least waits for what is outside of it.

        Whoever restarts it on a 503 has it connect anew, which helps where it hangs. It does not help where the
        database is away: a process that starts without one ends, and is back late.
        """
        bus: Bus | None = request.app.state.bus
        health = await bus.live() if bus else {}
        live = all(health.values()) or not await _answers(request.app.state.mongo)
        return JSONResponse(health, 200 if live else 503)

    @router.get("/readyz")
    async def ready(request: Request) -> JSONResponse:
        """Tell whether the process can do its work now."""
        report: dict[str, Any] = {}
        for check in request.app.state.checks:
            report[check.__qualname__] = await _passes(check)
        return JSONResponse(report, 200 if all(report.values()) else 503)

    @router.get("/metrics")
    async def metrics() -> PlainTextResponse:
        """Return the process's metrics in Prometheus' text format."""
        return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _answers(mongo: Mongo) -> bool:
    """Tell whether the database answers, sooner than a probe gives up."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await mongo.ping()
    except (TimeoutError, PyMongoError):
        return False
    return True


async def _passes(check: Check) -> bool:
    try:
        await check()
    except Exception as error:
        log.info("ready.not_yet", check=check.__qualname__, exc_info=error)
        return False
    return True
