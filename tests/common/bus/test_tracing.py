"""What is recorded of a request reaches a collector over OTLP as one trace, and says nothing of a person."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from structlog.testing import capture_logs

from libs.common import tracing
from libs.common.bus.consumes import Once
from libs.common.logging import PROCESSORS, logger
from libs.common.testing.metrics import metric
from libs.common.testing.waiting import eventually
from libs.common.web import Observed
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench

SECRET = "ada@example.org"
log = logger("tests.tracing")


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, as its protocol buffers are published, and keeps what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.bodies: list[bytes] = []

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> dict[str, Span]:
        """Return what came, by name."""
        exports = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return {
            span.name: span
            for export in exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


class Receiving(BaseHTTPRequestHandler):
    """Answers as a collector does."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            self.server.bodies.append(body)
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on a port of its own."""
    with Collector() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def exporting(monkeypatch: pytest.MonkeyPatch, address: str, ratio: float = 1.0) -> Iterator[TracerProvider]:
    """Have this process's spans exported for the block."""
    made = tracing.provider("tests", address, ratio)
    monkeypatch.setattr(tracing, "_tracer", made.get_tracer("tests"))
    yield made
    made.shutdown()


@pytest.fixture
async def traced(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TracerProvider]:
    """What makes spans that the collector gets."""
    with exporting(monkeypatch, collector.address) as made:
        yield made


def test_no_proxy_of_the_environment_sees_a_trace(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with exporting(monkeypatch, collector.address), tracing.span("alone"):
        pass
    assert set(collector.spans()) == {"alone"}


@pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
async def test_one_trace_from_the_request_to_the_worker_and_back(
    bench: Bench, traced: TracerProvider, collector: Collector, io: bool
) -> None:
    seen: list[int] = []

    async def again(event: Noted) -> None:
        log.info("noted", number=event.number)
        if event.number == 1:
            await bench.work.outbox.add(bench.event(user_id=event.user_id, number=2))

    async def handle(event: Noted, *once: Once) -> None:
        await (once[0](lambda: again(event)) if once else again(event))
        seen.append(event.number)

    user_id = uuid4()
    await bench.bus(bench.subscription(handle, io=io)).start()
    with capture_logs(processors=PROCESSORS[:-1]) as lines:
        await _request(bench, user_id)
        await eventually(lambda: _has(seen, 2), 60)
    await eventually(lambda: _flushed(traced, collector, f"{bench.group} process"), 60)
    spans = collector.spans()
    root = spans["POST /numbers/{user_id}"]
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert {f"{bench.topic} publish", f"{bench.group} process"} <= spans.keys()
    assert spans[f"{bench.topic} publish"].kind == Span.SPAN_KIND_PRODUCER
    assert spans[f"{bench.group} process"].kind == Span.SPAN_KIND_CONSUMER
    noted = [line for line in lines if line["event"] == "noted"]
    assert [line["number"] for line in noted] == [1, 2]
    assert {line["trace_id"] for line in noted} == {root.trace_id.hex()}
    assert str(user_id).encode() not in b"".join(collector.bodies)


async def _request(bench: Bench, user_id: UUID) -> None:
    off = TelemetryConfig(tracing=False, metrics=False, logs=False)  # as `create_process` has it
    app = FastAPI(telemetry=off)
    app.add_middleware(Observed, service="tests")

    @app.post("/numbers/{user_id}")
    async def number(user_id: UUID) -> None:
        await bench.publish(bench.event(user_id=user_id, number=1))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tests") as client:
        assert (await client.post(f"/numbers/{user_id}?mail={SECRET}")).is_success


async def _has(seen: list[int], number: int) -> bool:
    return number in seen


async def _flushed(traced: TracerProvider, collector: Collector, name: str) -> bool:
    traced.force_flush()
    return name in collector.spans()


async def test_what_an_error_says_is_not_exported(traced: TracerProvider, collector: Collector) -> None:
    with pytest.raises(ValueError, match=SECRET), tracing.span("failing"):
        raise ValueError(SECRET)
    await eventually(lambda: _flushed(traced, collector, "failing"))
    failing = collector.spans()["failing"]
    assert failing.status.code == Status.STATUS_CODE_ERROR
    assert {(each.key, each.value.string_value) for each in failing.attributes} == {
        ("error.type", "ValueError")
    }
    assert SECRET.encode() not in b"".join(collector.bodies)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
async def test_a_strangers_header_asks_for_no_recording(
    ratio: float, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exporting(monkeypatch, collector.address, ratio) as made:
        with tracing.span("asked", traceparent=f"00-{'f' * 32}-{'1' * 16}-01") as asked:
            assert asked.is_recording() is (ratio == 1.0)
            assert (tracing.current_traceparent() or "?")[-1] in ("13" if ratio else "02")
        made.force_flush()
    assert ("asked" in collector.spans()) is (ratio == 1.0)


async def test_a_collector_that_is_away_loses_spans_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _lost()
    with exporting(monkeypatch, "http://127.0.0.1:1") as made:
        for _ in range(3):
            with tracing.span("unheard"):
                pass
        made.force_flush()
        assert _lost() == before + 3


def _lost() -> float:
    return metric("pixera_spans_total", outcome="lost")
