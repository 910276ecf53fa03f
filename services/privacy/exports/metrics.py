"""How long people wait for their exports."""

from prometheus_client import Counter, Gauge, Histogram

OPEN = Gauge("pixera_export_open", "Exports that people wait for.")
OLDEST_OPEN = Gauge(
    "pixera_export_oldest_open_seconds", "How long the oldest export that is not ready has been waited for."
)
READY_SECONDS = Histogram(
    "pixera_export_ready_seconds",
    "Time from the request for an export to the archive.",
    buckets=(1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400),
)
PACK_FAILED = Counter("pixera_export_pack_failed", "Tries to pack an archive that failed and are repeated.")
REMOVED = Counter("pixera_export_removed", "Archives that were removed when their time was over.")
