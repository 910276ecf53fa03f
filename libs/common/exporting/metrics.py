"""How long services take for their parts of exports."""

from prometheus_client import Histogram

PART_SECONDS = Histogram(
    "pixera_export_part_seconds",
    "Time of writing a service's part of an export.",
    ("outcome",),
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400),
)
