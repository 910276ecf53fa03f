"""Metrics of every process; a service's own are in its `metrics.py`. Labels are bounded and never personal."""

from prometheus_client import Counter, Gauge, Histogram

HTTP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)

HTTP_SECONDS = Histogram(
    "pixera_http_request_seconds",
    "Time to answer a request.",
    ("service", "route", "method"),
    buckets=HTTP_BUCKETS,
)
HTTP_REQUESTS = Counter(
    "pixera_http_requests", "Requests answered.", ("service", "route", "method", "status")
)
SPANS = Counter("pixera_spans", "Spans of recorded traces, by whether the collector took them.", ("outcome",))
LOOP_LAG = Gauge("pixera_loop_lag_seconds", "How late the event loop woke from its last short sleep.")
TASK_RESTARTS = Counter(
    "pixera_background_restarts", "Background loops that failed and were started again.", ("task",)
)
TOKENS = Counter("pixera_tokens_verified", "Access tokens looked at.", ("outcome",))
OUTBOUND_SECONDS = Histogram(
    "pixera_outbound_seconds",
    "Time of a call to another server.",
    ("target", "outcome"),
    buckets=HTTP_BUCKETS,
)
