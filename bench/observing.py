"""What observation costs: the CPU of gallery's image list with it, with its spans exported, and without any of it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
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
REQUESTS, ROUNDS = 200, 15
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
def _recorder() -> Iterator[TracerProvider]:
    """Yield what exports every span to a collector. Its CPU, in this process too, counts against us."""
    before = SPANS.labels("exported")._value.get()  # noqa: SLF001
    with ThreadingHTTPServer(("127.0.0.1", 0), _Taking) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        made = tracing.provider("gallery", f"http://127.0.0.1:{collector.server_port}")
        try:
            yield made
        finally:
            made.shutdown()
            collector.shutdown()
    if SPANS.labels("exported")._value.get() - before < REQUESTS * ROUNDS:  # noqa: SLF001
        raise AssertionError("the spans did not arrive")


@contextmanager
def _recording(made: TracerProvider) -> Iterator[None]:
    """Record every trace of the block."""
    former, tracing._tracer = tracing._tracer, made.get_tracer("pixera")  # noqa: SLF001 - a benchmark's switch
    try:
        yield
    finally:
        tracing._tracer = former  # noqa: SLF001


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
    async with (
        _gallery(stack, observed=False) as without,
        _gallery(stack, observed=True) as app,
    ):
        with _recorder() as made:
            ways = [partial(_cpu, without, person), partial(_cpu, app, person)]
            ways.append(partial(_cpu_recorded, app, person, made))
            rounds = [await _round(ways, first % len(ways)) for first in range(ROUNDS)]
    return keep("observing", _figures(rounds))


async def _round(ways: Sequence[Callable[[], Awaitable[float]]], first: int) -> list[float]:
    """Take every way once, beginning with another one each time: what comes first finds colder caches."""
    order = [*range(first, len(ways)), *range(first)]
    taken = {place: await ways[place]() for place in order}
    return [taken[place] for place in range(len(ways))]


def _figures(rounds: Sequence[Sequence[float]]) -> list[Figure]:
    """Return the figures. A ratio is the median of each round's own: the machine's load moves a round as a whole."""
    raw = median(bare for bare, *_ in rounds)
    names = ("image list, observed", "image list, observed and every trace exported")
    ratios = [median(row[place] / row[0] for row in rounds) for place in (1, 2)]
    return [
        Figure(name, raw * ratio, "ms of CPU", REQUESTS * ROUNDS, raw, BAR)
        for name, ratio in zip(names, ratios, strict=True)
    ]


async def _cpu_recorded(app: FastAPI, person: UUID, made: TracerProvider) -> float:
    """Return the same with every trace recorded. Args: made: what exports the spans, which is part of the cost."""
    with _recording(made):
        return await _cpu(app, person, made)


async def _cpu(app: FastAPI, person: UUID, made: TracerProvider | None = None) -> float:
    """Return the CPU of a request in ms, the application being called as a server does, without a client or a socket.

    Args:     made: what is flushed before the clock stops.
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
