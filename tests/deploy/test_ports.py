"""A port that is taken is named, with what has it and what to do."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.home import ROOT
from deploy.local.ports import FreePorts, check_free, fixed_ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_taken_port_is_named_with_its_process(taken: int) -> None:
    with pytest.raises(
        StackError, match=rf"Port {taken} \(gateway\) is taken by .*process {os.getpid()}.*PORT_GATEWAY="
    ):
        check_free({"gateway": taken})


def test_launcher_says_so_and_ends(taken: int, tmp_path: Path) -> None:
    held = FreePorts()
    ports = held.take() | {"gateway": taken}
    moved = {f"PIXERA_PORT_{name.upper().replace('-', '_')}": str(port) for name, port in ports.items()}
    command = [sys.executable, "-m", "deploy.local.launch", "--home", str(tmp_path)]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | moved, capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 1
    assert f"Port {taken} (gateway) is taken by" in result.stderr
    assert "Traceback" not in result.stderr


def test_two_stacks_never_share_a_port() -> None:
    one, two = FreePorts(), FreePorts()
    assert not set(one.take().values()) & set(two.take().values())


def test_setting_moves_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXERA_PORT_AUTH_API", "23456")
    assert fixed_ports()["auth-api"] == 23_456
    monkeypatch.setenv("PIXERA_PORT_AUTH_API", "none")
    with pytest.raises(StackError, match="is not a port"):
        fixed_ports()
