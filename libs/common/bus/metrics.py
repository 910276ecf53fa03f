"""Metrics of the event bus. Labels are topics, groups and codes: never an id of anyone."""

from prometheus_client import Counter, Gauge, Histogram

AGE_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 86400)
BATCH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)

OUTBOX_PENDING = Gauge("pixera_outbox_pending", "Events that wait to be published.")
OUTBOX_OLDEST_AGE = Gauge("pixera_outbox_oldest_age_seconds", "Age of the event that has waited longest.")
RELAY_LEADING = Gauge("pixera_relay_leading", "1 where this process holds its service's relay lease.")
PUBLISHED = Counter("pixera_relay_published", "Events published and acknowledged.", ("topic",))
RELAY_FAILURES = Counter("pixera_relay_failures", "Times that relaying broke off, to start over.", ("error",))

EVENTS = Counter(
    "pixera_consumer_events", "Events settled, by what became of them.", ("group", "topic", "outcome")
)
BATCH_SECONDS = Histogram(
    "pixera_consumer_batch_seconds",
    "Time from having a batch (or one I/O event) to its effect.",
    ("group",),
    buckets=BATCH_BUCKETS,
)
EVENT_AGE = Histogram(
    "pixera_event_age_seconds",
    "From the event's time to its effect.",
    ("group", "topic"),
    buckets=AGE_BUCKETS,
)
DUPLICATES = Counter("pixera_inbox_duplicates", "Deliveries that had their effect before.", ("group",))
DEAD_LETTERS = Counter(
    "pixera_dlq_records", "Records moved to the dead letters.", ("group", "topic", "reason")
)
DLQ_DEPTH = Gauge("pixera_dlq_depth", "Letters that wait, by state.", ("group", "state"))
DLQ_OLDEST_AGE = Gauge(
    "pixera_dlq_oldest_age_seconds", "Age of the open letter that waits longest.", ("group",)
)
REDRIVEN = Counter(
    "pixera_dlq_redriven", "Letters delivered again, by what came of it.", ("group", "outcome")
)
RETRIES = Counter("pixera_consumer_retries", "Tries that failed and are repeated.", ("group", "reason"))
LAST_PROGRESS = Gauge(
    "pixera_consumer_last_progress_timestamp_seconds",
    "When a consumer last settled something, or began.",
    ("group",),
)
LAG = Gauge("pixera_consumer_lag", "Records published and not yet settled.", ("group", "topic"))
HALTED = Gauge("pixera_consumer_halted", "1 where a consumer stopped at its dead-letter limit.", ("group",))
RESTARTS = Counter(
    "pixera_consumer_restarts", "Times that a consumer began anew with a new client.", ("group", "error")
)
