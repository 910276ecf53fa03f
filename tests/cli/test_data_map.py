"""`pixera data-map` shows the committed record and says where it is missing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import data_map
from cli.app import app


def test_the_record_is_shown_in_every_form() -> None:
    shown = CliRunner().invoke(app, ["data-map"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "auth.users" in shown.stdout
    assert "payment-provider" in shown.stdout
    record = json.loads(CliRunner().invoke(app, ["data-map", "--json"]).stdout)
    assert {"holdings", "processors"} <= record.keys()
    for form, name in data_map.FILES.items():
        printed = CliRunner().invoke(app, ["data-map", "--format", form]).stdout
        assert printed == (data_map.CONTRACTS / name).read_text()


def test_a_missing_record_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(data_map, "CONTRACTS", tmp_path)
    told = CliRunner().invoke(app, ["data-map"])
    assert told.exit_code == 2
    assert "make data-map" in told.stderr
