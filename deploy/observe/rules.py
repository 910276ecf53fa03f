"""Alerts and recordings as Prometheus reads them, and their tests as promtool does."""

from collections.abc import Iterator
from typing import Any

import yaml

from deploy.observe import objectives
from deploy.observe.alert import Alert, Series
from deploy.observe.alerts import ALERTS

RULES = "rules.yaml"
EVERY = (*ALERTS, *objectives.alerts())
Record = dict[str, Any]


def rules() -> Record:
    """Return all rules, as Prometheus's own file and as the body of a PrometheusRule."""
    return {
        "groups": [
            {"name": "pixera-objectives", "interval": "30s", "rules": list(objectives.recordings())},
            {"name": "pixera-alerts", "rules": [_rule(alert) for alert in EVERY]},
        ]
    }


def tests() -> Record:
    """Return for each alert that it fires, and that it does not."""
    return {
        "rule_files": [RULES],
        "evaluation_interval": "2m",
        "tests": [test for alert in EVERY for test in _both_ways(alert)],
    }


def text(record: Record) -> str:
    """Return rules as a file."""
    head = "# Made from deploy/observe by `make observe`; not edited by hand.\n"
    return head + yaml.safe_dump(record, sort_keys=False, width=1_000, allow_unicode=True)


def _rule(alert: Alert) -> Record:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasting,
        "labels": {"severity": alert.severity.value},
        "annotations": {"summary": alert.summary, "runbook": alert.runbook},
    }


def _both_ways(alert: Alert) -> Iterator[Record]:
    for series, fires in ((alert.fires, True), (alert.silent, False)):
        # `ALERTS` is the series that Prometheus writes of what it does: how many fire, whatever their labels.
        count = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) or vector(0)'
        yield {
            "name": f"{alert.name} {'fires' if fires else 'does not fire'}",
            "interval": "1m",
            "input_series": _samples(series),
            "promql_expr_test": [
                {
                    "expr": f"clamp_max({count}, 1)",
                    "eval_time": alert.after,
                    "exp_samples": [{"labels": "{}", "value": int(fires)}],
                }
            ],
        }


def _samples(series: Series) -> list[Record]:
    return [{"series": name, "values": values} for name, values in series]
