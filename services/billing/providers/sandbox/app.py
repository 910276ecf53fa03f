"""The sandbox provider's process: `services.billing.providers.sandbox.app:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common import logging, tracing
from libs.common.mongo import Mongo, PyMongoError
from libs.common.tasks import Background
from libs.common.web import Observed, answer_problems
from services.billing.providers.sandbox.checkouts import Checkouts
from services.billing.providers.sandbox.courier import Courier
from services.billing.providers.sandbox.erasures import Erasures
from services.billing.providers.sandbox.models import HOLDINGS
from services.billing.providers.sandbox.plan import Faults, Rules
from services.billing.providers.sandbox.routes import api, page
from services.billing.providers.sandbox.settings import SandboxSettings

NAME = "pay"

probes = APIRouter(include_in_schema=False)


@probes.get("/healthz")
async def live() -> dict[str, bool]:
    """Tell that the process answers."""
    return {"live": True}


@probes.get("/readyz")
async def ready(request: Request) -> JSONResponse:
    """Tell whether the process can do its work now."""
    mongo: Mongo = request.app.state.mongo
    try:
        await mongo.ping()
    except PyMongoError:
        return JSONResponse({"mongo": False}, 503)
    return JSONResponse({"mongo": True})


@probes.get("/metrics")
async def metrics() -> PlainTextResponse:
    """Return the process's metrics in Prometheus' text format."""
    return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def create_app(settings: SandboxSettings | None = None) -> FastAPI:
    """Return the sandbox provider, with settings from the environment where none are given."""
    settings = settings or SandboxSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        mongo = Mongo.connect(settings, NAME)
        await mongo.prepare(HOLDINGS.documents)
        courier = Courier(settings, mongo)
        deliveries = Background([courier.run])
        app.state.mongo, app.state.courier = mongo, courier
        app.state.checkouts = Checkouts(mongo, _rules(settings))
        faults = Faults(settings.pay_erasure_fails_every, settings.pay_erasure_lost_every)
        app.state.erasures = Erasures(mongo, faults)
        deliveries.start()
        yield
        await deliveries.stop()
        await courier.close()
        await mongo.close()

    logging.configure(NAME, settings.log_level)
    tracing.configure(NAME)
    app = FastAPI(
        title="Pixera payment sandbox",
        version="1",
        lifespan=lifespan,
        openapi_url="/pay/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.add_middleware(Observed, service=NAME)
    answer_problems(app)
    for router in (probes, api, page):
        app.include_router(router)
    return app


def _rules(settings: SandboxSettings) -> Rules:
    return Rules(
        duplicate_every=settings.pay_duplicate_every,
        reorder_every=settings.pay_reorder_every,
        settle=timedelta(seconds=settings.pay_settle_s),
        later=timedelta(seconds=settings.pay_later_s),
    )
