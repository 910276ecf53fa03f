"""The dashboards, from how people fare to what the machines do."""

from deploy.observe.objectives import ERRORS, OBJECTIVES
from deploy.observe.panel import Dashboard, Panel

NONE = "or vector(0)"
"""Beside what counts only when something goes wrong: nothing is 0, and not an empty picture."""


def _p(quantile: str, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({metric}_bucket[5m])))"


def _rate(metric: str, by: str, *, window: str = "5m") -> str:
    return f"sum by ({by}) (rate({metric}[{window}]))"


FAILED = (
    f'(sum(rate(pixera_http_requests_total{{status=~"5.."}}[5m])) {NONE})'
    " / sum(rate(pixera_http_requests_total[5m]))"
)
OVERVIEW = Dashboard(
    "overview",
    "overview",
    (
        (
            "Promises",
            tuple(
                Panel(
                    f"Budget left: {objective.name}",
                    f"{objective.goal:.1%} {objective.what}; what is left of what may go wrong, over three days.",
                    ((f'1 - max({ERRORS}3d{{slo="{objective.name}"}}) / {objective.budget:g}', "left"),),
                    "percentunit",
                    wide=3,
                    now=True,
                )
                for objective in OBJECTIVES
            ),
        ),
        (
            "Now",
            (
                Panel(
                    "Processes up",
                    "Of all that are known.",
                    (('sum(up{job="pixera"})', "up"),),
                    now=True,
                    wide=2,
                ),
                Panel(
                    "Firing",
                    "Alerts that fire.",
                    ((f'sum(ALERTS{{alertstate="firing"}}) {NONE}', "alerts"),),
                    now=True,
                    wide=2,
                ),
                Panel(
                    "Open erasures",
                    "Not verified yet.",
                    (("max(pixera_erasure_open)", "open"),),
                    now=True,
                    wide=2,
                ),
                Panel(
                    "Overdue",
                    "Past the month that law gives.",
                    (("max(pixera_erasure_overdue)", "overdue"),),
                    now=True,
                    wide=2,
                ),
                Panel(
                    "Dead letters",
                    "That wait for somebody.",
                    ((f'sum(pixera_dlq_depth{{state=~"open|parked"}}) {NONE}', "letters"),),
                    now=True,
                    wide=2,
                ),
                Panel(
                    "Books",
                    "0, or they are wrong.",
                    (("max(abs(pixera_ledger_imbalance))", "credits"),),
                    now=True,
                    wide=2,
                ),
            ),
        ),
        (
            "Traffic",
            (
                Panel(
                    "Requests",
                    "By service.",
                    ((_rate("pixera_http_requests_total", "service"), "{{service}}"),),
                    "reqps",
                ),
                Panel(
                    "Errors of ours",
                    "Answers of 5xx, as a share.",
                    (
                        (
                            FAILED,
                            "5xx",
                        ),
                    ),
                    "percentunit",
                ),
                Panel(
                    "Latency",
                    "Of all requests.",
                    (
                        (_p("0.5", "pixera_http_request_seconds"), "p50"),
                        (_p("0.99", "pixera_http_request_seconds"), "p99"),
                    ),
                    "s",
                ),
                Panel(
                    "From event to effect",
                    "Over all groups.",
                    (
                        (_p("0.5", "pixera_event_age_seconds"), "p50"),
                        (_p("0.99", "pixera_event_age_seconds"), "p99"),
                    ),
                    "s",
                ),
            ),
        ),
    ),
)
SERVICES = Dashboard(
    "services",
    "services (RED)",
    (
        (
            "Requests",
            (
                Panel(
                    "Rate by route",
                    "",
                    (
                        (
                            _rate("pixera_http_requests_total", "service, method, route"),
                            "{{service}} {{method}} {{route}}",
                        ),
                    ),
                    "reqps",
                ),
                Panel(
                    "Answers by status",
                    "",
                    ((_rate("pixera_http_requests_total", "service, status"), "{{service}} {{status}}"),),
                    "reqps",
                ),
                Panel(
                    "p50 by service",
                    "",
                    ((_p("0.5", "pixera_http_request_seconds", "service"), "{{service}}"),),
                    "s",
                ),
                Panel(
                    "p99 by service",
                    "",
                    ((_p("0.99", "pixera_http_request_seconds", "service"), "{{service}}"),),
                    "s",
                ),
            ),
        ),
        (
            "What they call",
            (
                Panel(
                    "Object store, p99",
                    "By what is done.",
                    ((_p("0.99", "pixera_storage_seconds", "operation"), "{{operation}}"),),
                    "s",
                ),
                Panel(
                    "Object store, by outcome",
                    "",
                    ((_rate("pixera_storage_seconds_count", "outcome"), "{{outcome}}"),),
                    "ops",
                ),
                Panel(
                    "Other servers",
                    "Calls, by target and outcome.",
                    ((_rate("pixera_outbound_seconds_count", "target, outcome"), "{{target}} {{outcome}}"),),
                    "ops",
                ),
                Panel(
                    "Vault, p99",
                    "The wait for its thread included.",
                    ((_p("0.99", "pixera_vault_seconds", "operation"), "{{operation}}"),),
                    "s",
                ),
                Panel(
                    "Key service (KMS)",
                    "Attempts to have a key wrapped or unwrapped, by outcome; none where the master is in a setting.",
                    ((_rate("pixera_kms_seconds_count", "outcome"), "{{outcome}}"),),
                    "ops",
                ),
                Panel(
                    "Password hashes, p99", "", ((_p("0.99", "pixera_auth_argon2_seconds"), "argon2"),), "s"
                ),
                Panel(
                    "Tokens looked at",
                    "",
                    ((_rate("pixera_tokens_verified_total", "outcome"), "{{outcome}}"),),
                    "ops",
                ),
            ),
        ),
    ),
)
BUS = Dashboard(
    "bus",
    "Kafka and bus",
    (
        (
            "Out",
            (
                Panel(
                    "Outbox",
                    "Events that wait to be published.",
                    (("sum by (service) (pixera_outbox_pending)", "{{service}}"),),
                ),
                Panel(
                    "Oldest in the outbox",
                    "",
                    (("max by (service) (pixera_outbox_oldest_age_seconds)", "{{service}}"),),
                    "s",
                ),
                Panel(
                    "Published",
                    "By topic.",
                    ((_rate("pixera_relay_published_total", "topic"), "{{topic}}"),),
                    "ops",
                ),
                Panel(
                    "Relays",
                    "Who leads, and how often it broke off.",
                    (
                        ("sum by (service) (pixera_relay_leading)", "{{service}} leads"),
                        (f"sum(increase(pixera_relay_failures_total[5m])) {NONE}", "failures"),
                    ),
                ),
            ),
        ),
        (
            "In",
            (
                Panel(
                    "Behind",
                    "Records published and not settled.",
                    (("sum by (group) (pixera_consumer_lag)", "{{group}}"),),
                ),
                Panel(
                    "Begun anew",
                    "Consumers that got a new client of Kafka: the old one failed or stalled.",
                    ((f"sum by (group) (increase(pixera_consumer_restarts_total[5m])) {NONE}", "{{group}}"),),
                ),
                Panel(
                    "Since the last progress",
                    "Harmless where nothing is behind.",
                    (
                        (
                            "time() - max by (group) (pixera_consumer_last_progress_timestamp_seconds)",
                            "{{group}}",
                        ),
                    ),
                    "s",
                ),
                Panel(
                    "Events by outcome",
                    "",
                    ((_rate("pixera_consumer_events_total", "outcome"), "{{outcome}}"),),
                    "ops",
                ),
                Panel(
                    "From event to effect, p99",
                    "",
                    ((_p("0.99", "pixera_event_age_seconds", "group"), "{{group}}"),),
                    "s",
                ),
                Panel(
                    "A batch, p99",
                    "",
                    ((_p("0.99", "pixera_consumer_batch_seconds", "group"), "{{group}}"),),
                    "s",
                ),
                Panel(
                    "Tries again, duplicates",
                    "",
                    (
                        (f"sum(increase(pixera_consumer_retries_total[5m])) {NONE}", "tries again"),
                        (f"sum(increase(pixera_inbox_duplicates_total[5m])) {NONE}", "duplicates"),
                    ),
                ),
            ),
        ),
        (
            "Dead letters",
            (
                Panel(
                    "Waiting",
                    "",
                    ((f"sum by (group, state) (pixera_dlq_depth) {NONE}", "{{group}} {{state}}"),),
                ),
                Panel(
                    "Oldest",
                    "",
                    ((f"max by (group) (pixera_dlq_oldest_age_seconds) {NONE}", "{{group}}"),),
                    "s",
                ),
            ),
        ),
    ),
)
ERASURE = Dashboard(
    "erasure",
    "erasure and privacy",
    (
        (
            "Cases",
            (
                Panel(
                    "Open",
                    "",
                    (
                        ("max(pixera_erasure_open)", "open"),
                        ("max(pixera_erasure_held)", "held"),
                        ("max(pixera_erasure_incomplete)", "incomplete"),
                        ("max(pixera_erasure_overdue)", "overdue"),
                    ),
                ),
                Panel(
                    "Oldest open case",
                    "The law gives it a month.",
                    (("max(pixera_erasure_oldest_open_seconds)", "oldest"),),
                    "s",
                ),
                Panel(
                    "Oldest by step",
                    "",
                    (("max by (step) (pixera_saga_oldest_age_seconds)", "{{step}}"),),
                    "s",
                ),
                Panel(
                    "Requests of people",
                    "What waits for an answer, and what of it is late.",
                    (
                        ("sum(max by (kind) (pixera_requests_open))", "open"),
                        ("sum(max by (kind) (pixera_requests_due_soon))", "due soon"),
                        ("sum(max by (kind) (pixera_requests_overdue))", "overdue"),
                    ),
                ),
                Panel(
                    "From deletion to proof",
                    "",
                    (
                        (_p("0.5", "pixera_erasure_verified_seconds"), "p50"),
                        (_p("0.99", "pixera_erasure_verified_seconds"), "p99"),
                    ),
                    "s",
                ),
            ),
        ),
        (
            "Holders",
            (
                Panel(
                    "Answered",
                    "Erasures that a holder has acknowledged.",
                    ((_rate("pixera_erasure_holder_acked_total", "holder"), "{{holder}}"),),
                    "ops",
                ),
                Panel(
                    "Time to answer, p99",
                    "",
                    ((_p("0.99", "pixera_erasure_seconds", "holder"), "{{holder}}"),),
                    "s",
                ),
                Panel(
                    "Erased",
                    "Rows and object versions.",
                    ((_rate("pixera_holding_erased_total", "holding"), "{{holding}}"),),
                    "ops",
                ),
                Panel(
                    "Came back late",
                    "Swept, or refused at the fence.",
                    (
                        (f"sum(increase(pixera_fence_swept_total[5m])) {NONE}", "swept"),
                        (f"sum(increase(pixera_fence_refused_total[5m])) {NONE}", "refused"),
                    ),
                ),
            ),
        ),
        (
            "Proof",
            (
                Panel(
                    "Scans, p99",
                    "",
                    ((_p("0.99", "pixera_erasure_scan_seconds", "outcome"), "{{outcome}}"),),
                    "s",
                ),
                Panel(
                    "Findings of scans",
                    "",
                    ((f"sum(increase(pixera_erasure_scan_findings_total[1h])) {NONE}", "findings"),),
                ),
                Panel(
                    "Audit ledger",
                    "Entries, by stream.",
                    (("max by (stream) (pixera_audit_entries)", "{{stream}}"),),
                ),
                Panel(
                    "Audit ledger last checked",
                    "",
                    (("time() - max(pixera_audit_chain_verified_timestamp_seconds)", "ago"),),
                    "s",
                ),
                Panel(
                    "Retention",
                    "Rows and fields that went when their time was over.",
                    (
                        (
                            f"sum by (holding) (increase(pixera_retention_swept_total[1h])) {NONE}",
                            "{{holding}}",
                        ),
                    ),
                ),
                Panel(
                    "Fields through the vault",
                    "",
                    ((_rate("pixera_vault_fields_total", "outcome"), "{{outcome}}"),),
                    "ops",
                ),
            ),
        ),
    ),
)
GENERATION = Dashboard(
    "generation",
    "generation workers",
    (
        (
            "Jobs",
            (
                Panel(
                    "Asked for and ended",
                    "",
                    (
                        (_rate("pixera_generation_jobs_total", "state"), "{{state}}"),
                        ("sum(rate(pixera_generation_submitted_total[5m]))", "asked for"),
                    ),
                    "ops",
                ),
                Panel(
                    "Wait for a worker",
                    "",
                    (
                        (_p("0.5", "pixera_generation_queue_seconds"), "p50"),
                        (_p("0.95", "pixera_generation_queue_seconds"), "p95"),
                    ),
                    "s",
                ),
                Panel(
                    "Drawing one image",
                    "",
                    (
                        (_p("0.5", "pixera_generation_render_seconds"), "p50"),
                        (_p("0.99", "pixera_generation_render_seconds"), "p99"),
                    ),
                    "s",
                ),
                Panel(
                    "Use of the workers",
                    "Images being drawn, of the processes that draw.",
                    (("sum(pixera_generation_rendering) / sum(pixera_generation_render_processes)", "use"),),
                    "percentunit",
                ),
            ),
        ),
        (
            "Around them",
            (
                Panel(
                    "Behind",
                    "What the workers scale by.",
                    (('sum by (group) (pixera_consumer_lag{group=~"generation.*"})', "{{group}}"),),
                ),
                Panel(
                    "Live streams",
                    "People who watch progress.",
                    (("sum(pixera_generation_watchers)", "open"),),
                ),
                Panel(
                    "Thumbnails, p99", "", ((_p("0.99", "pixera_gallery_thumbnail_seconds"), "gallery"),), "s"
                ),
                Panel(
                    "Credits",
                    "What became of reservations.",
                    ((_rate("pixera_billing_reservations_total", "outcome"), "{{outcome}}"),),
                    "ops",
                ),
            ),
        ),
    ),
)
MACHINES = Dashboard(
    "machines",
    "machines (USE)",
    (
        (
            "Processes",
            (
                Panel(
                    "Processor",
                    "Cores used.",
                    (
                        (
                            'sum by (service, role) (rate(process_cpu_seconds_total{job="pixera"}[5m]))',
                            "{{service}} {{role}}",
                        ),
                    ),
                ),
                Panel(
                    "Memory",
                    "Resident.",
                    (
                        (
                            'sum by (service, role) (process_resident_memory_bytes{job="pixera"})',
                            "{{service}} {{role}}",
                        ),
                    ),
                    "bytes",
                ),
                Panel(
                    "Open files",
                    "Of those that are allowed.",
                    (
                        (
                            'max by (service, role) (process_open_fds{job="pixera"} / process_max_fds{job="pixera"})',
                            "{{service}} {{role}}",
                        ),
                    ),
                    "percentunit",
                ),
                Panel(
                    "Event loop late by",
                    "",
                    (("max by (service, role) (pixera_loop_lag_seconds)", "{{service}} {{role}}"),),
                    "s",
                ),
                Panel(
                    "Started again",
                    "",
                    (
                        (
                            'sum by (service, role) (changes(process_start_time_seconds{job="pixera"}[1h]))',
                            "{{service}} {{role}}",
                        ),
                    ),
                ),
                Panel(
                    "Loops that failed",
                    "",
                    ((f"sum by (task) (increase(pixera_background_restarts_total[1h])) {NONE}", "{{task}}"),),
                ),
            ),
        ),
        (
            "Gateway",
            (
                Panel(
                    "Requests to services",
                    "As Envoy saw them.",
                    (
                        (
                            "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_total[5m]))",
                            "{{envoy_cluster_name}}",
                        ),
                    ),
                    "reqps",
                ),
                Panel("Connections", "", (("sum(envoy_http_downstream_cx_active)", "open"),)),
            ),
        ),
    ),
)
DASHBOARDS = (OVERVIEW, SERVICES, BUS, ERASURE, GENERATION, MACHINES)
