"""Metrics of generation. Labels are states and outcomes, never people."""

from prometheus_client import Counter, Gauge, Histogram

WAIT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600)
RENDER_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

SUBMITTED = Counter("pixera_generation_submitted", "Jobs asked for, retries included.")
FINISHED = Counter("pixera_generation_jobs", "Jobs that ended.", ("state",))
QUEUE_SECONDS = Histogram(
    "pixera_generation_queue_seconds", "From the asking for a job to its start.", buckets=WAIT_BUCKETS
)
RENDER_SECONDS = Histogram(
    "pixera_generation_render_seconds", "Time to draw one image.", buckets=RENDER_BUCKETS
)
RENDERING = Gauge("pixera_generation_rendering", "Images being drawn, or next in line for a process.")
RENDER_PROCESSES = Gauge(
    "pixera_generation_render_processes", "Processes that draw: full use is all of them."
)
WATCHERS = Gauge("pixera_generation_watchers", "Live progress streams that are open.")
LEFTOVERS = Counter("pixera_generation_leftovers_removed", "Temporary objects removed that nobody waits for.")
