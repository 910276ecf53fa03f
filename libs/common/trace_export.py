"""Spans on their way to a collector (OTLP over HTTP), batched on a thread of their own; they never pile up."""

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from requests import Session

from libs.common.metrics import SPANS

PATH = "/v1/traces"
QUEUED_AT_MOST = 2_048
"""Spans in memory, about 2 KiB each; what comes on top is dropped, never waited for."""
BATCH = 512
EVERY_MS = 2_000.0
WITHIN_S = 2.0
"""For a batch with its retries: a process that stops waits for a dead collector no longer."""


class Counted(SpanExporter):
    """An exporter that tells how many spans arrived."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch."""
        result = self._exporter.export(spans)
        SPANS.labels("exported" if result is SpanExportResult.SUCCESS else "lost").inc(len(spans))
        return result

    def shutdown(self) -> None:
        """Give up what is being tried again."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Tell that nothing is held here."""
        return self._exporter.force_flush(timeout_millis)


def batches_to(collector: str) -> BatchSpanProcessor:
    """Return what exports spans to a collector. Args: collector: its address, without the path."""
    session = Session()
    session.trust_env = False  # traces go to the collector alone, as `outgoing` sends to parties: by no proxy
    exporter = OTLPSpanExporter(endpoint=collector.rstrip("/") + PATH, timeout=WITHIN_S, session=session)
    return BatchSpanProcessor(
        Counted(exporter),
        max_queue_size=QUEUED_AT_MOST,
        max_export_batch_size=BATCH,
        schedule_delay_millis=EVERY_MS,
    )
