"""What every HTTP answer has in common: problem documents, a trace, a metric and a log line."""

import re
import time
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common import tracing
from libs.common.device_storage import require_declared_cookies
from libs.common.errors import PROBLEM_TYPE, Invalid, PixeraError
from libs.common.logging import logger
from libs.common.metrics import HTTP_REQUESTS, HTTP_SECONDS

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
LONG_NUMBER = re.compile(r"\d[\d -]{10,}\d")

log = logger("http")


class Observed:
    """ASGI middleware: one span, one measurement and one log line a request, by route and never by path."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it went."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                require_declared_cookies(message.get("headers", ()))
            await send(message)

        with tracing.span("http", SpanKind.SERVER, traceparent=_header(scope, b"traceparent")) as span:
            try:
                await self._app(scope, receive, noting)
            finally:
                self._note(scope, status, time.perf_counter() - started)
                _describe(span, scope, status)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = getattr(scope.get("route"), "path", "unmatched"), scope["method"]
        took, count = _series(self._service, route, method, status)
        took.observe(seconds)
        count.inc()
        if status >= HTTP_ERRORS_FROM:
            log.warning("http.failed", route=route, method=method, status=status, ms=round(seconds * 1000, 1))
        else:
            log.debug("http.answered", route=route, method=method, status=status, ms=round(seconds * 1000, 1))


HTTP_ERRORS_FROM = 500


@cache
def _series(service: str, route: str, method: str, status: int) -> tuple[Histogram, Counter]:
    """Return the metrics of a kind of request; to find them by their labels costs more than to count."""
    return (
        HTTP_SECONDS.labels(service, route, method),
        HTTP_REQUESTS.labels(service, route, method, status),
    )


def _describe(span: Span, scope: Scope, status: int) -> None:
    """Name a span that is recorded by its route. Source: OpenTelemetry's conventions for HTTP spans."""
    if not span.is_recording():
        return
    route, method = getattr(scope.get("route"), "path", "unmatched"), scope["method"]
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {"http.route": route, "http.request.method": method, "http.response.status_code": status}
    )
    if status >= HTTP_ERRORS_FROM:
        tracing.fail(span, str(status))


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def answer_problems(app: FastAPI) -> None:
    """Make every failure of the app answer with a problem document (RFC 9457)."""
    app.add_exception_handler(PixeraError, _on_pixera_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_crash)


def _answer(error: PixeraError, request: Request) -> JSONResponse:
    request_id = request.headers.get("x-request-id", "")
    body = jsonable_encoder(error.problem(f"urn:pixera:request:{request_id}" if request_id else ""))
    return JSONResponse(body, error.status, error.headers, PROBLEM_TYPE)


async def _on_pixera_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PixeraError)  # noqa: S101 - Starlette dispatches by this very type
    return _answer(error, request)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette dispatches by this very type
    return _answer(Invalid("see `errors` for the fields to mend", errors=_fields(error)), request)


def _fields(error: RequestValidationError) -> Any:
    """Return what is wrong by field, without echoing what was sent: it may be a password or a card number."""
    return [
        {"field": LONG_NUMBER.sub("…", ".".join(map(str, found["loc"]))), "problem": found["type"]}
        | {"message": LONG_NUMBER.sub("…", found["msg"])}
        for found in error.errors()
    ]


async def _on_http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette dispatches by this very type
    body = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    body |= {"code": f"http-{error.status_code}", "detail": error.detail}
    return JSONResponse(body, error.status_code, error.headers, PROBLEM_TYPE)


async def _on_crash(request: Request, error: Exception) -> JSONResponse:
    log.error("http.crashed", route=getattr(request.scope.get("route"), "path", "unmatched"), exc_info=error)
    return _answer(PixeraError(), request)
