"""What observation costs: the CPU of gallery's image list with it, with its spans exported, and without any of it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider

from bench.people import Size, Stores, told
from bench.report import Figure, keep
from deploy.local.spawn import RunningStack
from libs.common import tracing
from libs.common.metrics import SPANS
from libs.common.testing.serving import serving
from libs.common.testing.tokens import JWKS, bearer
from libs.common.web import Observed
from services.gallery.main import create_app
from services.gallery.settings import GallerySettings

IMAGES, PAGE = 200, 10
REQUESTS, ROUNDS = 200, 12
PATH = "/api/gallery/v1/images"
BAR = "<= 1.25"


class _Taking(BaseHTTPRequestHandler):
    """A collector that takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def _recording() -> Iterator[TracerProvider]:
    """Export every trace for the block. The CPU of the collector, in this process too, counts against us."""
    before = SPANS.labels("exported")._value.get()  # noqa: SLF001
    with ThreadingHTTPServer(("127.0.0.1", 0), _Taking) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        made = tracing.provider("gallery", f"http://127.0.0.1:{collector.server_port}")
        former, tracing._tracer = tracing._tracer, made.get_tracer("pixera")  # noqa: SLF001 - a benchmark's switch
        try:
            yield made
        finally:
            tracing._tracer = former  # noqa: SLF001
            made.shutdown()
            collector.shutdown()
    if SPANS.labels("exported")._value.get() - before < REQUESTS:  # noqa: SLF001
        raise AssertionError("the spans did not arrive")


@asynccontextmanager
async def _gallery(stack: RunningStack, *, observed: bool) -> AsyncIterator[FastAPI]:
    settings = told(stack.env) | {"jwks": JWKS, "log_level": "INFO"}
    app = create_app("api", GallerySettings.model_validate(settings))
    if not observed:
        every = len(app.user_middleware)
        app.user_middleware = [each for each in app.user_middleware if getattr(each, "cls", None) != Observed]
        if len(app.user_middleware) != every - 1:
            raise AssertionError("there is no middleware to measure")
    async with serving(app):
        yield app


async def run(stack: RunningStack) -> bool:
    """Measure; return whether the bars were reached."""
    person = uuid4()
    await Stores(stack).fill(person, Size(IMAGES, 0, 0, 0), objects=False)
    bare, plain, recorded = [], [], []
    async with (
        _gallery(stack, observed=False) as without,
        _gallery(stack, observed=True) as app,
    ):
        for _ in range(ROUNDS):
            bare.append(await _cpu(without, person))
            plain.append(await _cpu(app, person))
            with _recording() as made:
                recorded.append(await _cpu(app, person, made))
    samples = REQUESTS * ROUNDS
    raw = median(bare)
    return keep(
        "observing",
        [
            Figure("image list, observed", median(plain), "ms of CPU", samples, raw, BAR),
            Figure(
                "image list, observed and every trace exported",
                median(recorded),
                "ms of CPU",
                samples,
                raw,
                BAR,
            ),
        ],
    )


async def _cpu(app: FastAPI, person: UUID, made: TracerProvider | None = None) -> float:
    """Return the CPU of a request in ms, the application being called as a server does, without a client or a socket.

    Args:     made: what makes the spans; their export is part of what is measured.
    """
    headers = [(name.lower().encode(), value.encode()) for name, value in bearer(person).items()]
    await _ask(app, headers)
    began = time.process_time()
    for _ in range(REQUESTS):
        await _ask(app, headers)
    if made is not None:
        await asyncio.to_thread(made.force_flush)
    return (time.process_time() - began) * 1_000 / REQUESTS


async def _ask(app: FastAPI, headers: list[tuple[bytes, bytes]]) -> None:
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": f"limit={PAGE}".encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
        "scheme": "http",
        "root_path": "",
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["status"] != 200 or len(json.loads(sent[1]["body"])["items"]) != PAGE:
        raise AssertionError("the image list did not answer as it should")
