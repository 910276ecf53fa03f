"""Trace context, carried HTTP -> outbox row -> Kafka headers -> consumer, by hand where it costs least."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("pixera")


def configure(service: str) -> None:
    """Make this process start and continue traces under the service's name. A second call changes nothing.

    Nothing exports spans yet, so none is recorded; their ids are made and travel all the same.
    """
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        resource = Resource.create({"service.name": service})
        trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF, resource=resource))


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
    parent: Context | None = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    with _tracer.start_as_current_span(name, parent, kind, attributes=attributes) as current:
        yield current
