"""Each alert fires and does not, as promtool has it, has a runbook, and asks for what there is."""

import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.observe import metrics, prometheus, rules
from deploy.observe.__main__ import GENERATED
from deploy.observe.alert import Alert
from deploy.observe.objectives import recordings

pytestmark = pytest.mark.slow

CHAPTERS = ("**What it means.**", "**What to look at.**", "**What to do.**")
ROOT = metrics.ROOT
RECORDED = {str(rule["record"]) for rule in recordings()}


@pytest.fixture(scope="module", autouse=True)
def promtool() -> Path:
    prometheus.install()
    return prometheus.PROMTOOL


def judged(promtool: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the rules' tests."""
    command: list[str | Path] = [promtool, "test", "rules", "rules.test.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.timeout(300)
def test_every_alert_fires_and_does_not(promtool: Path) -> None:
    done = judged(promtool, GENERATED)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = {test["name"] for test in yaml.safe_load((GENERATED / "rules.test.yaml").read_text())["tests"]}
    assert tests == {f"{alert.name} {how}" for alert in rules.EVERY for how in ("fires", "does not fire")}


@pytest.mark.parametrize("change", [("> 30", "> 1e9"), ("> 30", ">= 0")], ids=["never", "always"])
def test_a_wrong_alert_is_seen(promtool: Path, tmp_path: Path, change: tuple[str, str]) -> None:
    (alert,) = (each for each in rules.EVERY if each.name == "PixeraOutboxStuck")
    wrong = {"alert": alert.name, "expr": alert.expr.replace(*change), "for": alert.lasting}
    mine = [test for test in rules.tests()["tests"] if test["name"].startswith(f"{alert.name} ")]
    (tmp_path / "rules.yaml").write_text(rules.text({"groups": [{"name": "wrong", "rules": [wrong]}]}))
    (tmp_path / "rules.test.yaml").write_text(rules.text(rules.tests() | {"tests": mine}))
    assert judged(promtool, tmp_path).returncode == 1


@pytest.mark.parametrize("alert", rules.EVERY, ids=lambda alert: alert.name)
def test_an_alert_has_a_runbook_and_asks_for_what_there_is(alert: Alert) -> None:
    runbook = (ROOT / alert.runbook).read_text()
    assert [chapter for chapter in CHAPTERS if chapter not in runbook] == []
    known = {metric.name for metric in metrics.every()}
    assert metrics.named(alert.expr) - known == set()
    assert all(name in RECORDED for name in _recorded(alert.expr))


def test_names_are_prometheus_own() -> None:
    for metric in metrics.every():
        assert metric.name.startswith("pixera_"), metric
        assert metric.meaning.endswith((".", ")")), metric
        assert ("_seconds" in metric.name) or metric.kind != "histogram", metric
        assert not {"user", "user_id", "email", "ip", "username"} & set(metric.labels), metric


def _recorded(expression: str) -> list[str]:
    return [
        word.partition("{")[0] for word in expression.replace("(", " ").split() if ":" in word and "{" in word
    ]
