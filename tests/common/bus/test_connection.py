"""Which groups a process consumes for, and how it connects."""

import asyncio
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from libs.common.bus.connection import connection, security
from libs.common.bus.settings import BusSettings, UnknownGroups

GROUPS = ("auth.send-mail", "auth.privacy", "auth.third")


@pytest.mark.parametrize(
    ("only", "without", "chosen"),
    [
        ("", "", set(GROUPS)),
        ("auth.send-mail, auth.third", "", {"auth.send-mail", "auth.third"}),
        ("", "auth.third", {"auth.send-mail", "auth.privacy"}),
    ],
)
def test_a_process_consumes_for_the_groups_it_is_told(only: str, without: str, chosen: set[str]) -> None:
    assert BusSettings(groups=only, without_groups=without).chosen(GROUPS) == chosen


@pytest.mark.parametrize("setting", ["groups", "without_groups"])
def test_a_group_that_is_not_there_is_refused(setting: str) -> None:
    told = BusSettings.model_validate({setting: "auth.send-mails"})
    with pytest.raises(UnknownGroups, match=r"auth\.send-mails: choose from .*auth\.send-mail"):
        told.chosen(GROUPS)


async def test_without_an_authority_the_connection_is_plain() -> None:
    assert await connection("kafka:9092") == {"bootstrap_servers": "kafka:9092"}
    assert security() is None


@pytest.fixture
def certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a certificate with its key beside it, which the process is told to connect with."""
    certificate, key = tmp_path / "user.crt", tmp_path / "user.key"
    made = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=auth", "-days", "2"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    for name, file in (("CA", certificate), ("CERTIFICATE", certificate), ("KEY", key)):
        monkeypatch.setenv(f"PIXERA_KAFKA_TLS_{name}", str(file))
    return certificate


async def test_with_an_authority_it_is_tls_and_never_falls_back(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await connection("kafka:9093")
    assert told["security_protocol"] == "SSL"
    assert told["ssl_context"].check_hostname
    assert security() is not None
    monkeypatch.setenv("PIXERA_KAFKA_TLS_CERTIFICATE", str(certificate.with_name("gone.crt")))
    with pytest.raises(FileNotFoundError):
        await connection("kafka:9093")


async def test_the_loop_goes_on_while_the_files_are_read(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow, went_on = tmp_path / "slow.crt", Event()
    os.mkfifo(slow)  # whoever opens it waits for a writer, as on a volume that does not answer
    monkeypatch.setenv("PIXERA_KAFKA_TLS_CA", str(slow))
    connecting = asyncio.create_task(connection("kafka:9093"))
    asyncio.get_running_loop().call_later(0.05, went_on.set)

    def answer() -> bool:
        in_time = went_on.wait(20)
        slow.write_bytes(certificate.read_bytes())
        return in_time

    with ThreadPoolExecutor(1) as volume:
        answered = volume.submit(answer)
        assert (await connecting)["security_protocol"] == "SSL"
        assert answered.result()
