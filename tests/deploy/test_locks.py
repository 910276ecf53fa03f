"""Lock files: everything by hash, nothing by address."""

import re
from pathlib import Path

import pytest

from deploy.local.home import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^[a-z0-9_.-]+(\[[a-z,]+\])?==[^ ;\\]+")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_is_pinned_with_a_hash(lock: Path) -> None:
    entries = re.sub(r"\\\n\s*", " ", lock.read_text()).splitlines()
    pins = [entry for entry in entries if entry and not entry.lstrip().startswith("#")]
    assert pins
    for pin in pins:
        assert PIN.match(pin), pin
        assert "--hash=sha256:" in pin, pin


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_download_address(lock: Path) -> None:
    assert "://" not in lock.read_text()
    assert "--index-url" not in lock.read_text()


def test_one_lock_for_each_service() -> None:
    names = {lock.stem for lock in LOCKS}
    assert {"auth", "gallery", "generation", "billing", "privacy", "cli", "stack", "dev"} <= names
