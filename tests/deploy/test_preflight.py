"""What the launcher refuses before it starts anything, and whose servers it uses."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import preflight, services
from deploy.local.errors import StackError
from deploy.local.home import ROOT
from deploy.local.ports import fixed_ports
from deploy.local.serve import WebProcess
from deploy.local.spawn import RunningStack, started

EXISTING = ("PIXERA_KAFKA_BOOTSTRAP", "PIXERA_MONGO_URI", "PIXERA_S3_ENDPOINT")
KEYS = ("PIXERA_S3_ACCESS_KEY", "PIXERA_S3_SECRET_KEY")


def test_other_machines_are_sent_to_compose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(StackError, match=r"riscv64.*docker compose up.*compose\.yaml"):
        preflight.check_platform()


def test_compose_uses_the_same_ports() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    ports = fixed_ports()
    for name in ("kafka", "mongo", "s3"):
        assert f'"127.0.0.1:{ports[name]}:{ports[name]}"' in compose


def test_unknown_service_is_named() -> None:
    with pytest.raises(StackError, match="no service chat: choose from auth"):
        services.processes(fixed_ports(), ("chat",))


def test_missing_service_is_named() -> None:
    with pytest.raises(StackError, match=r"services\.chat\.main"):
        services.check_written([WebProcess("chat-api", "services.chat.main:create_app", 1)])


def test_number_of_generation_workers_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATION_WORKERS", "3")
    names = [process.name for process in services.processes(fixed_ports(), ("generation",))]
    assert names == [
        "generation-api",
        "generation-worker",
        "generation-worker-2",
        "generation-worker-3",
    ]
    monkeypatch.setenv("GENERATION_WORKERS", "many")
    with pytest.raises(StackError, match="GENERATION_WORKERS=many"):
        services.processes(fixed_ports(), ("generation",))


def test_existing_servers_are_used(bare_stack: RunningStack, tmp_path: Path) -> None:
    env = {name: bare_stack.env[name] for name in EXISTING + KEYS}
    with started(tmp_path, "--no-services", env=env) as stack:
        assert set(stack.processes()) == {"desk"}
        assert {name: stack.env[name] for name in EXISTING} == {name: env[name] for name in EXISTING}


def test_setup_names_the_missing_package(tmp_path: Path) -> None:
    (tmp_path / "ensurepip.py").write_text("raise ImportError\n")
    command = [sys.executable, str(ROOT / "deploy" / "local" / "bootstrap.py")]
    result = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.strip().endswith("`sudo apt install python3-venv`.")
    assert len(result.stderr.splitlines()) == 1
