"""Which groups a process consumes for, and how it connects."""

import subprocess
from pathlib import Path

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


def test_without_an_authority_the_connection_is_plain() -> None:
    assert connection("kafka:9092") == {"bootstrap_servers": "kafka:9092"}
    assert security() is None


def test_with_an_authority_it_is_tls_and_never_falls_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "user.crt", tmp_path / "user.key"
    made = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=auth", "-days", "2"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    for name, file in (("CA", certificate), ("CERTIFICATE", certificate), ("KEY", key)):
        monkeypatch.setenv(f"PIXERA_KAFKA_TLS_{name}", str(file))
    told = connection("kafka:9093")
    assert told["security_protocol"] == "SSL"
    assert told["ssl_context"].check_hostname
    assert security() is not None
    certificate.unlink()
    with pytest.raises(FileNotFoundError):
        connection("kafka:9093")
