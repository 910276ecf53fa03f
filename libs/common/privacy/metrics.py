"""What the personal-data machinery counts, the same in every service."""

from prometheus_client import Counter, Gauge, Histogram

ERASED = Counter(
    "pixera_holding_erased", "Rows and object versions erased for people who left.", ("holding",)
)
ERASURE_SECONDS = Histogram(
    "pixera_erasure_seconds",
    "Time from the request to erase a person until a holder's answer.",
    ("holder",),
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
SWEPT = Counter("pixera_fence_swept", "Rows and object versions that came back late and were erased again.")
REFUSED = Counter("pixera_fence_refused", "Reads and writes refused because the person is erased.")
EXPIRED = Counter(
    "pixera_retention_swept", "Rows, fields and objects that went when their retention ended.", ("holding",)
)
OVERDUE = Gauge(
    "pixera_retention_oldest_overdue_seconds",
    "How long ago the oldest row or object should have gone that is still there; 0 where none should.",
    ("holding",),
)
SWEEP_COMPLETED = Gauge(
    "pixera_retention_last_completed_timestamp_seconds",
    "When the last completed sweep of a holding began; nothing that was over by then is left.",
    ("holding",),
)
EXPIRY_MISSING = Gauge(
    "pixera_retention_expiry_missing",
    "Indexes by which the database is to remove rows, and that it does not have.",
    ("holding",),
)
ASKED_OUTSIDE = Counter(
    "pixera_processor_erasures",
    "Requests to outside parties to erase what they have of somebody.",
    ("processor", "outcome"),
)
WAITING_OUTSIDE = Gauge(
    "pixera_processor_erasures_waiting", "People whose erasure waits for an outside party.", ("processor",)
)
