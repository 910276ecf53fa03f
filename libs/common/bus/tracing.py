"""Going on with an event's trace where a span for each event would cost more than the event's work."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from libs.common.bus.outbox import OutboxRow
from libs.common.tracing import record, span

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@contextmanager
def continued(traceparent: str | None, group: str) -> Iterator[None]:
    """Run the block inside the trace that came with an event, in a span of its own only where the trace is recorded.

    Logs name the trace, and events published inside carry it on.
    """
    context = _context(traceparent)
    if context is None:
        yield
        return
    if context.trace_flags.sampled:
        with span(f"{group} process", SpanKind.CONSUMER, traceparent=traceparent):
            yield
        return
    with trace.use_span(NonRecordingSpan(context)):
        yield


def published(rows: Iterable[OutboxRow]) -> None:
    """Record for each event of a recorded trace how long it was on its way from its transaction to Kafka."""
    for row in rows:
        context = _context(row.traceparent)
        if row.traceparent and context and context.trace_flags.sampled:
            record(f"{row.topic} publish", SpanKind.PRODUCER, row.traceparent, row.time)


def _context(traceparent: str | None) -> SpanContext | None:
    """Return what a header says. Its flags are bits: besides `sampled`, libraries set `random` (W3C level 2)."""
    found = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
