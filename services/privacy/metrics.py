"""What privacy measures: how long people wait for their proof, and where."""

from prometheus_client import Counter, Gauge, Histogram

OPEN = Gauge("pixera_erasure_open", "Erasure cases that are not verified yet.")
OLDEST_OPEN = Gauge("pixera_erasure_oldest_open_seconds", "Age of the oldest case that is not verified yet.")
INCOMPLETE = Gauge("pixera_erasure_incomplete", "Cases where something was not erased, or was found again.")
HELD = Gauge("pixera_erasure_held", "Cases that operators hold: hidden and frozen, not erased for now.")
WAITING = Gauge(
    "pixera_erasure_waiting", "Cases that wait for single items that are held: all else is erased."
)
OVERDUE = Gauge("pixera_erasure_overdue", "Open cases past their legal due date.")
STEP_OLDEST = Gauge(
    "pixera_saga_oldest_age_seconds", "How long the oldest case has been in this step.", ("step",)
)
VERIFIED_SECONDS = Histogram(
    "pixera_erasure_verified_seconds",
    "Time from the deletion of an account to its VERIFIED case.",
    buckets=(0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3_600, 86_400),
)
HOLDER_ACKED = Counter("pixera_erasure_holder_acked", "Erasures that a holder has answered.", ("holder",))
ALERTS = Counter("pixera_erasure_alerts", "Cases that called for people.", ("reason",))
SCAN_SECONDS = Histogram(
    "pixera_erasure_scan_seconds",
    "Time of an independent scan.",
    ("outcome",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
SCAN_FINDINGS = Counter(
    "pixera_erasure_scan_findings", "Places where a scan still saw an erased person.", ("kind",)
)
REQUESTS_FILED = Counter(
    "pixera_requests_filed",
    "Requests that people made, by kind, and whether they were signed in.",
    ("kind", "account"),
)
REQUESTS_OPEN = Gauge("pixera_requests_open", "Requests that wait for an answer.", ("kind",))
REQUESTS_DUE_SOON = Gauge(
    "pixera_requests_due_soon", "Open requests that people were reminded of before the due date.", ("kind",)
)
REQUESTS_OVERDUE = Gauge("pixera_requests_overdue", "Open requests past their legal due date.", ("kind",))
REQUESTS_REMINDED = Counter("pixera_requests_reminded", "Requests that people were reminded of.", ("kind",))
HISTORY_STREAMS = Gauge("pixera_history_streams", "Streams of the event log that are being read.")

AUDIT_ENTRIES = Gauge("pixera_audit_entries", "Entries of the audit ledger.", ("stream",))
AUDIT_BROKEN = Gauge(
    "pixera_audit_chain_broken", "Streams of the audit ledger that the last check found broken."
)
AUDIT_VERIFIED = Gauge(
    "pixera_audit_chain_verified_timestamp_seconds", "When the whole audit ledger was last checked and held."
)
AUDIT_CHECK_SECONDS = Histogram(
    "pixera_audit_check_seconds",
    "Time to check the whole audit ledger.",
    ("outcome",),
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900),
)
AUDIT_CHECKPOINT = Gauge("pixera_audit_checkpoint_timestamp_seconds", "When the last checkpoint was made.")
BACKUP_OLDEST = Gauge(
    "pixera_backup_oldest_age_seconds", "Age of the oldest backup that is still kept.", ("kind",)
)
BACKUP_LAST = Gauge("pixera_backup_last_success_timestamp_seconds", "When the newest whole backup was made.")
BACKUP_SECONDS = Histogram(
    "pixera_backup_seconds",
    "Time of making a backup.",
    ("outcome",),
    buckets=(1, 5, 15, 60, 300, 900, 3_600, 14_400),
)
BACKUPS_NOT_REMOVED = Gauge(
    "pixera_backup_not_removed", "Backups whose time is over and that could not be removed.", ("kind",)
)
BACKUPS_REMOVED = Counter("pixera_backup_removed", "Backups whose retention was over.", ("kind",))
