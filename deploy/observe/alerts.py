"""Every alert that is not about an objective: at least one for each failure that `make chaos` makes."""

from deploy.observe.alert import Alert, Severity

PAGE, TICKET = Severity.PAGE, Severity.TICKET
WORKER = 'service="gallery",role="worker",instance="w:1"'
PRIVACY = 'service="privacy",role="worker",instance="p:1"'
SCALED_UP = tuple(
    (
        f'process_start_time_seconds{{job="pixera",{WORKER.replace("w:1", f"w:{number}")}}}',
        f"_x{20 + number} {60 * (20 + number)}x20",
    )
    for number in range(2, 7)
)
"""Five more workers, which begin a minute one after the other."""
GROUP = f'{WORKER},group="gallery.make-thumbnails",topic="image.uploaded"'

PROCESSES = (
    Alert(
        "PixeraProcessDown",
        'up{job="pixera"} == 0',
        "1m",
        PAGE,
        "{{ $labels.service }} {{ $labels.role }} does not answer",
        fires=((f'up{{job="pixera",{WORKER}}}', "1x5 0x30"),),
        silent=((f'up{{job="pixera",{WORKER}}}', "1x10 0 1x30"),),
    ),
    Alert(
        "PixeraProcessRestarting",
        'changes(process_start_time_seconds{job="pixera"}[15m]) > 2',
        "0m",
        TICKET,
        "{{ $labels.service }} {{ $labels.role }} was started {{ $value }} times in a quarter of an hour",
        fires=((f'process_start_time_seconds{{job="pixera",{WORKER}}}', "0x20 1200 1260 1320 1380x20"),),
        silent=(
            (f'process_start_time_seconds{{job="pixera",{WORKER}}}', "0x20 1200x20"),
            *SCALED_UP,
            ('process_start_time_seconds{job="kafka",instance="k:1"}', "0x20 1200 1260 1320 1380x20"),
        ),
    ),
    Alert(
        "PixeraLoopBlocked",
        "min_over_time(pixera_loop_lag_seconds[2m]) > 0.25",
        "2m",
        TICKET,
        "The event loop of {{ $labels.service }} {{ $labels.role }} is held up",
        fires=((f"pixera_loop_lag_seconds{{{WORKER}}}", "0.6x40"),),
        silent=((f"pixera_loop_lag_seconds{{{WORKER}}}", "0.01x10 0.9 0.01x30"),),
    ),
    Alert(
        "PixeraLoopFailing",
        "sum by (service, role, task) (increase(pixera_background_restarts_total[15m])) > 10",
        "15m",
        TICKET,
        "{{ $labels.task }} of {{ $labels.service }} {{ $labels.role }} fails again and again",
        fires=((f'pixera_background_restarts_total{{{WORKER},task="Retained.run"}}', "0+6x60"),),
        silent=((f'pixera_background_restarts_total{{{WORKER},task="Retained.run"}}', "0x5 0+3x3 9x50"),),
    ),
    Alert(
        "PixeraClockOff",
        "max by (service, instance) (pixera_consumer_last_progress_timestamp_seconds) - time() > 30",
        "1m",
        TICKET,
        "The clock of {{ $labels.instance }} is ahead of Prometheus's",
        fires=((f"pixera_consumer_last_progress_timestamp_seconds{{{GROUP}}}", "7200x40"),),
        silent=((f"pixera_consumer_last_progress_timestamp_seconds{{{GROUP}}}", "0+60x40"),),
    ),
)
BUS = (
    Alert(
        "PixeraOutboxStuck",
        "max by (service) (pixera_outbox_oldest_age_seconds) > 30",
        "1m",
        PAGE,
        "An event of {{ $labels.service }} waits to be published since {{ $value | humanizeDuration }}",
        fires=((f"pixera_outbox_oldest_age_seconds{{{WORKER}}}", "0x10 20+60x30"),),
        silent=((f"pixera_outbox_oldest_age_seconds{{{WORKER}}}", "0x10 45 0x30"),),
    ),
    Alert(
        "PixeraNoRelay",
        "sum by (service) (pixera_relay_leading) < 1",
        "1m",
        PAGE,
        "Nobody publishes what {{ $labels.service }} leaves in its outbox",
        fires=((f"pixera_relay_leading{{{WORKER}}}", "1x5 0x40"),),
        silent=(
            (f"pixera_relay_leading{{{WORKER}}}", "1x5 0x40"),
            ('pixera_relay_leading{service="gallery",role="worker",instance="w:2"}', "0x5 1x40"),
        ),
    ),
    Alert(
        "PixeraRelayFailing",
        "sum by (service) (increase(pixera_relay_failures_total[10m])) > 5",
        "5m",
        TICKET,
        "The relay of {{ $labels.service }} breaks off again and again",
        fires=((f'pixera_relay_failures_total{{{WORKER},error="KafkaError"}}', "0+2x40"),),
        silent=((f'pixera_relay_failures_total{{{WORKER},error="KafkaError"}}', "0x10 1x40"),),
    ),
    Alert(
        "PixeraConsumerStuck",
        "sum by (service, group) (pixera_consumer_lag) > 0 and on (service, group) "
        "(time() - max by (service, group) (pixera_consumer_last_progress_timestamp_seconds) > 120)",
        "1m",
        PAGE,
        "{{ $labels.group }} has work and does none",
        fires=(
            (f"pixera_consumer_lag{{{GROUP}}}", "3x40"),
            (f"pixera_consumer_last_progress_timestamp_seconds{{{GROUP}}}", "60x40"),
        ),
        silent=(
            (f"pixera_consumer_lag{{{GROUP}}}", "3x40"),
            (f"pixera_consumer_last_progress_timestamp_seconds{{{GROUP}}}", "0+60x40"),
        ),
    ),
    Alert(
        "PixeraConsumerHalted",
        "max by (service, group) (pixera_consumer_halted) == 1",
        "0m",
        PAGE,
        "{{ $labels.group }} stopped at its limit of dead letters",
        fires=((f'pixera_consumer_halted{{{WORKER},group="gallery.import-images"}}', "1x40"),),
        silent=((f'pixera_consumer_halted{{{WORKER},group="gallery.import-images"}}', "0x40"),),
    ),
    Alert(
        "PixeraConsumerBehind",
        "sum by (service, group) (pixera_consumer_lag) > 1000",
        "10m",
        TICKET,
        "{{ $labels.group }} is {{ $value }} events behind",
        fires=((f"pixera_consumer_lag{{{GROUP}}}", "5000x40"),),
        silent=((f"pixera_consumer_lag{{{GROUP}}}", "5000x5 0x40"),),
    ),
    Alert(
        "PixeraRetries",
        "sum by (service, group) (increase(pixera_consumer_retries_total[5m])) > 20",
        "5m",
        TICKET,
        "{{ $labels.group }} tries again and again: what it needs is slow or away",
        fires=((f'pixera_consumer_retries_total{{{WORKER},group="g",reason="r"}}', "0+10x40"),),
        silent=((f'pixera_consumer_retries_total{{{WORKER},group="g",reason="r"}}', "0x10 9x40"),),
    ),
    Alert(
        "PixeraDeadLetters",
        'sum by (service, group) (pixera_dlq_depth{state=~"open|parked"}) > 0',
        "5m",
        TICKET,
        "{{ $value }} events of {{ $labels.group }} wait for somebody",
        fires=((f'pixera_dlq_depth{{{WORKER},group="g",state="open"}}', "1x40"),),
        silent=((f'pixera_dlq_depth{{{WORKER},group="g",state="redriven"}}', "7x40"),),
    ),
    Alert(
        "PixeraDeadLettersOld",
        "max by (service, group) (pixera_dlq_oldest_age_seconds) > 86400",
        "5m",
        PAGE,
        "A dead letter of {{ $labels.group }} waits for over a day, and its person with it",
        fires=((f'pixera_dlq_oldest_age_seconds{{{WORKER},group="g"}}', "90000x40"),),
        silent=((f'pixera_dlq_oldest_age_seconds{{{WORKER},group="g"}}', "600x40"),),
    ),
)
ERASURE = (
    Alert(
        "PixeraErasureOverdue",
        "max(pixera_erasure_overdue) > 0",
        "0m",
        PAGE,
        "{{ $value }} erasures are past their legal due date",
        fires=((f"pixera_erasure_overdue{{{PRIVACY}}}", "1x40"),),
        silent=((f"pixera_erasure_overdue{{{PRIVACY}}}", "0x40"),),
    ),
    Alert(
        "PixeraErasureIncomplete",
        "max(pixera_erasure_incomplete) > 0",
        "10m",
        PAGE,
        "{{ $value }} erasures left something behind, and trying again has not helped",
        fires=((f"pixera_erasure_incomplete{{{PRIVACY}}}", "1x40"),),
        silent=((f"pixera_erasure_incomplete{{{PRIVACY}}}", "0x10 1x5 0x40"),),
    ),
    Alert(
        "PixeraErasureSlow",
        'max by (step) (pixera_saga_oldest_age_seconds{step!~"HELD|WAITING|VERIFIED"}) > 900',
        "5m",
        TICKET,
        "An erasure has been in the step {{ $labels.step }} since {{ $value | humanizeDuration }}",
        fires=((f'pixera_saga_oldest_age_seconds{{{PRIVACY},step="ERASING"}}', "0+60x60"),),
        silent=(
            (f'pixera_saga_oldest_age_seconds{{{PRIVACY},step="HELD"}}', "0+60x60"),
            (f'pixera_saga_oldest_age_seconds{{{PRIVACY},step="WAITING"}}', "0+60x60"),
        ),
        after="50m",
    ),
    Alert(
        "PixeraScanFindings",
        "sum by (kind) (increase(pixera_erasure_scan_findings_total[1h])) > 0",
        "0m",
        PAGE,
        "The independent scan still saw an erased person ({{ $labels.kind }})",
        fires=((f'pixera_erasure_scan_findings_total{{{PRIVACY},kind="rows"}}', "0x10 2x40"),),
        silent=((f'pixera_erasure_scan_findings_total{{{PRIVACY},kind="rows"}}', "2x50"),),
    ),
    Alert(
        "PixeraLateWrites",
        "sum by (service) (increase(pixera_fence_swept_total[1h])) > 10",
        "0m",
        TICKET,
        "{{ $labels.service }} keeps writing for people who are erased; it was swept",
        fires=((f"pixera_fence_swept_total{{{WORKER}}}", "0+1x60"),),
        silent=((f"pixera_fence_swept_total{{{WORKER}}}", "0x10 2x60"),),
    ),
    Alert(
        "PixeraRetentionOverdue",
        "max by (service, holding) (pixera_retention_oldest_overdue_seconds) > 7200",
        "10m",
        TICKET,
        "{{ $labels.holding }} has what should have gone {{ $value | humanizeDuration }} ago",
        fires=((f'pixera_retention_oldest_overdue_seconds{{{WORKER},holding="h"}}', "0x5 7000+60x60"),),
        silent=((f'pixera_retention_oldest_overdue_seconds{{{WORKER},holding="h"}}', "0+60x59 0x60"),),
        after="50m",
        subject="retention",
    ),
    Alert(
        "PixeraRetentionUnswept",
        "time() - max by (service, holding) (pixera_retention_last_completed_timestamp_seconds) > 10800",
        "10m",
        TICKET,
        "The last sweep of {{ $labels.holding }} that came to its end is {{ $value | humanizeDuration }} ago",
        fires=((f'pixera_retention_last_completed_timestamp_seconds{{{WORKER},holding="h"}}', "-10000x60"),),
        silent=((f'pixera_retention_last_completed_timestamp_seconds{{{WORKER},holding="h"}}', "-5000x60"),),
        after="50m",
        subject="retention",
    ),
    Alert(
        "PixeraRetentionExpiryMissing",
        "max by (service, holding) (pixera_retention_expiry_missing) > 0",
        "10m",
        TICKET,
        "The database has not the index by which rows of {{ $labels.holding }} expire",
        fires=((f'pixera_retention_expiry_missing{{{WORKER},holding="h"}}', "1x40"),),
        silent=((f'pixera_retention_expiry_missing{{{WORKER},holding="h"}}', "0x40"),),
        subject="retention",
    ),
    Alert(
        "PixeraAuditBroken",
        "max(pixera_audit_chain_broken) > 0",
        "0m",
        PAGE,
        "Somebody touched the audit ledger: {{ $value }} chains do not hold",
        fires=((f"pixera_audit_chain_broken{{{PRIVACY}}}", "1x40"),),
        silent=((f"pixera_audit_chain_broken{{{PRIVACY}}}", "0x40"),),
    ),
    Alert(
        "PixeraAuditUnchecked",
        "time() - max(pixera_audit_chain_verified_timestamp_seconds) > 10800",
        "5m",
        TICKET,
        "The audit ledger was last checked {{ $value | humanizeDuration }} ago",
        fires=((f"pixera_audit_chain_verified_timestamp_seconds{{{PRIVACY}}}", "-10000x40"),),
        silent=((f"pixera_audit_chain_verified_timestamp_seconds{{{PRIVACY}}}", "-5000x40"),),
    ),
    Alert(
        "PixeraExportStuck",
        "max(pixera_export_oldest_open_seconds) > 14400",
        "10m",
        TICKET,
        "Somebody has waited {{ $value | humanizeDuration }} for a copy of their data",
        fires=((f"pixera_export_oldest_open_seconds{{{PRIVACY}}}", "14000+60x40"),),
        silent=((f"pixera_export_oldest_open_seconds{{{PRIVACY}}}", "0+60x20 0x20"),),
    ),
    Alert(
        "PixeraBackupOld",
        "time() - max(pixera_backup_last_success_timestamp_seconds != 0) > 93600",
        "5m",
        TICKET,
        "The newest whole backup is {{ $value | humanizeDuration }} old",
        fires=(
            (f"pixera_backup_last_success_timestamp_seconds{{{PRIVACY}}}", "-93000x40"),
        ),  # the tests' time begins at 0
        silent=((f"pixera_backup_last_success_timestamp_seconds{{{PRIVACY}}}", "-60000x40"),),
    ),
    Alert(
        "PixeraBackupNotRemoved",
        "max by (kind) (pixera_backup_not_removed) > 0",
        "1h",
        TICKET,
        "{{ $value }} backups ({{ $labels.kind }}) are past their time and cannot be removed",
        fires=((f'pixera_backup_not_removed{{{PRIVACY},kind="platform"}}', "1x120"),),
        silent=((f'pixera_backup_not_removed{{{PRIVACY},kind="platform"}}', "1x20 0x100"),),
        after="100m",
    ),
)
MONEY_AND_STORES = (
    Alert(
        "PixeraLedgerImbalance",
        "max(abs(pixera_ledger_imbalance)) > 0",
        "1m",
        PAGE,
        "The books are wrong by {{ $value }} credits",
        fires=(('pixera_ledger_imbalance{service="billing",role="worker"}', "-3x40"),),
        silent=(('pixera_ledger_imbalance{service="billing",role="worker"}', "0x40"),),
    ),
    Alert(
        "PixeraPaymentOfNobody",
        "sum(increase(pixera_billing_payments_of_nobody_total[1d])) > 0",
        "1m",
        TICKET,
        "Somebody paid for a payment that is not there any more, and got nothing",
        fires=(('pixera_billing_payments_of_nobody_total{service="billing",role="api"}', "0x5 1x40"),),
        silent=(('pixera_billing_payments_of_nobody_total{service="billing",role="api"}', "3x40"),),
    ),
    Alert(
        "PixeraStorageFailing",
        'sum by (service) (rate(pixera_storage_seconds_count{outcome!~"ok|missing"}[5m])) '
        "/ sum by (service) (rate(pixera_storage_seconds_count[5m])) > 0.05",
        "2m",
        PAGE,
        "{{ $value | humanizePercentage }} of {{ $labels.service }}'s calls to the object store fail",
        fires=(
            (f'pixera_storage_seconds_count{{{WORKER},operation="put",outcome="ok"}}', "0+9x40"),
            (f'pixera_storage_seconds_count{{{WORKER},operation="put",outcome="failed"}}', "0+1x40"),
        ),
        silent=(
            (f'pixera_storage_seconds_count{{{WORKER},operation="put",outcome="ok"}}', "0+99x40"),
            (f'pixera_storage_seconds_count{{{WORKER},operation="put",outcome="failed"}}', "0+1x40"),
        ),
    ),
    Alert(
        "PixeraKeyServiceFailing",
        'sum by (service) (rate(pixera_kms_seconds_count{outcome!="answered"}[5m])) '
        "/ sum by (service) (rate(pixera_kms_seconds_count[5m])) > 0.2",
        "2m",
        PAGE,
        "The KMS refuses or loses {{ $value | humanizePercentage }} of {{ $labels.service }}'s requests: people's "
        "keys cannot be unwrapped",
        fires=(
            (f'pixera_kms_seconds_count{{{WORKER},outcome="answered"}}', "0+9x5 45x40"),
            (f'pixera_kms_seconds_count{{{WORKER},outcome="away"}}', "0x5 1+1x40"),
        ),
        silent=(
            (f'pixera_kms_seconds_count{{{WORKER},outcome="answered"}}', "0+9x40"),
            (f'pixera_kms_seconds_count{{{WORKER},outcome="throttled"}}', "0+1x40"),
        ),
    ),
    Alert(
        "PixeraOutboundFailing",
        'sum by (service, target) (rate(pixera_outbound_seconds_count{outcome!="ok"}[10m])) '
        "/ sum by (service, target) (rate(pixera_outbound_seconds_count[10m])) > 0.2",
        "5m",
        TICKET,
        "{{ $labels.target }} refuses or loses {{ $value | humanizePercentage }} of {{ $labels.service }}'s calls",
        fires=(('pixera_outbound_seconds_count{service="billing",target="pay",outcome="failed"}', "0+1x40"),),
        silent=(('pixera_outbound_seconds_count{service="billing",target="pay",outcome="ok"}', "0+1x40"),),
    ),
    Alert(
        "PixeraGenerationQueue",
        "histogram_quantile(0.95, sum by (le) (rate(pixera_generation_queue_seconds_bucket[10m]))) > 60",
        "10m",
        TICKET,
        "One job in twenty waits over {{ $value | humanizeDuration }} for a worker",
        fires=(
            ('pixera_generation_queue_seconds_bucket{service="generation",le="60"}', "0x60"),
            ('pixera_generation_queue_seconds_bucket{service="generation",le="300"}', "0+5x60"),
            ('pixera_generation_queue_seconds_bucket{service="generation",le="+Inf"}', "0+5x60"),
        ),
        silent=(
            ('pixera_generation_queue_seconds_bucket{service="generation",le="60"}', "0+5x60"),
            ('pixera_generation_queue_seconds_bucket{service="generation",le="300"}', "0+5x60"),
            ('pixera_generation_queue_seconds_bucket{service="generation",le="+Inf"}', "0+5x60"),
        ),
    ),
)
REQUESTS = (
    Alert(
        "PixeraRequestOverdue",
        "sum(max by (kind) (pixera_requests_overdue)) > 0",
        "0m",
        PAGE,
        "{{ $value }} requests of people are past their legal due date",
        fires=((f'pixera_requests_overdue{{{PRIVACY},kind="access"}}', "1x40"),),
        silent=((f'pixera_requests_overdue{{{PRIVACY},kind="access"}}', "0x40"),),
    ),
    Alert(
        "PixeraRequestDueSoon",
        "max by (kind) (pixera_requests_due_soon) > 0",
        "5m",
        TICKET,
        "{{ $value }} requests ({{ $labels.kind }}) are due soon and not answered",
        fires=((f'pixera_requests_due_soon{{{PRIVACY},kind="access"}}', "1x40"),),
        silent=((f'pixera_requests_due_soon{{{PRIVACY},kind="access"}}', "0x40"),),
    ),
    Alert(
        "PixeraMinorReported",
        'max(pixera_requests_open{kind="minor-report"}) > 0',
        "5m",
        PAGE,
        "Somebody reported a minor, and nobody has looked at it",
        fires=((f'pixera_requests_open{{{PRIVACY},kind="minor-report"}}', "1x40"),),
        silent=((f'pixera_requests_open{{{PRIVACY},kind="question"}}', "5x40"),),
    ),
)
ALERTS = (*PROCESSES, *BUS, *ERASURE, *REQUESTS, *MONEY_AND_STORES)
