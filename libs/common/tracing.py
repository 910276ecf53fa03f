"""Trace context, carried HTTP -> outbox row -> Kafka headers -> consumer, by hand where it costs least.

A span says what was done, for how long and how it ended. What an error says is never on it: that may quote a person.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

FLUSH_WITHIN_MS = 1_000
NS = 1_000_000_000

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("pixera")


def configure(service: str, collector: str = "", ratio: float = 1.0) -> None:
    """Make this process start and continue traces under the service's name. A second call changes nothing."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(provider(service, collector, ratio))


def provider(service: str, collector: str = "", ratio: float = 1.0) -> TracerProvider:
    """Return what makes spans.

    Args:     collector: where they are exported to by OTLP; without one none is recorded, and their ids are made and
              travel all the same. ratio: how many of the traces are recorded: the trace's id decides, so that every
              process decides alike, and nobody's `traceparent` header can ask for more.
    """
    resource = Resource.create({"service.name": service})
    if not collector:
        return TracerProvider(sampler=ALWAYS_OFF, resource=resource)
    # protobuf and requests are memory that a process without a collector does not need
    from libs.common.trace_export import batches_to  # noqa: PLC0415

    made = TracerProvider(sampler=TraceIdRatioBased(ratio), resource=resource)
    made.add_span_processor(batches_to(collector))
    return made


async def flush() -> None:
    """Hand over what is still queued: a process that a signal ends calls no exit handlers."""
    present = trace.get_tracer_provider()
    if isinstance(present, TracerProvider):
        await asyncio.to_thread(present.force_flush, FLUSH_WITHIN_MS)


def current_traceparent() -> str | None:
    """Return the W3C traceparent of the present span, to be stored or sent; None outside of one."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, *, traceparent: str | None = None, **attributes: str | int
) -> Iterator[Span]:
    """Run the block in a span; with `traceparent` it goes on with the trace that came in."""
    current = _tracer.start_span(name, _parent(traceparent), kind, attributes=attributes)
    before = attach(trace.set_span_in_context(current))  # the library's own manager costs more than the span
    try:
        yield current
    except Exception as error:
        fail(current, type(error).__name__)
        raise
    finally:
        detach(before)
        current.end()


def fail(failed: Span, kind: str) -> None:
    """Mark a span as failed. Args: kind: the error's name or code, never its message."""
    failed.set_attribute("error.type", kind)
    failed.set_status(StatusCode.ERROR)


def record(name: str, kind: SpanKind, traceparent: str, since: datetime, **attributes: str | int) -> None:
    """Record what began then, in the trace that came with it, and has just ended."""
    started = int(since.timestamp() * NS)
    _tracer.start_span(name, _parent(traceparent), kind, attributes=attributes, start_time=started).end()


def _parent(traceparent: str | None) -> Context | None:
    return _propagator.extract({"traceparent": traceparent}) if traceparent else None
