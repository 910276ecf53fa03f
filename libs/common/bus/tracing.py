"""Going on with an event's trace where a span for each event would cost more than the event's work."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """Run the block inside the trace that came with an event, without a span of its own.

    Logs name the trace, and events published inside carry it on.
    """
    found = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        yield
        return
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    with trace.use_span(NonRecordingSpan(context)):
        yield
