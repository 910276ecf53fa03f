"""`pixera certificate verify`: a clear verdict, and an exit code that scripts can trust."""

import json
from pathlib import Path

import pytest

from libs.common.signing import public_jwk, public_pem
from tests.cli.conftest import pixera
from tests.common.test_certificate import GOOD, signer

PEM = public_pem(signer().public_key)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key.pem"
    file.write_text(PEM)
    return file


def written(folder: Path, content: bytes) -> str:
    file = folder / "certificate.json"
    file.write_bytes(content)
    return str(file)


async def test_a_genuine_certificate(tmp_path: Path, key: Path) -> None:
    ran = await pixera("certificate", "verify", written(tmp_path, GOOD), "--key", str(key))
    assert ran.code == 0, ran.err
    assert "genuine and unchanged" in ran.out
    assert "gallery.images" in ran.out
    assert "tax-law" in ran.out


async def test_the_published_keys_do_as_well_as_a_pem(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    public = signer().public_key
    keys.write_text(
        json.dumps({"keys": [{"kid": "x", "jwk": public_jwk(public), "pem": public_pem(public)}]})
    )
    ran = await pixera("certificate", "verify", written(tmp_path, GOOD), "--key", str(keys), "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["valid"] is True
    assert told["certificate"]["sequence"] == 1


@pytest.mark.parametrize(
    "changed",
    [GOOD.replace(b"40", b"39", 1), GOOD + b"\n", b"{}", b"not json", GOOD.replace(b"tax", b"\x1b[2")],
)
async def test_a_changed_certificate(tmp_path: Path, key: Path, changed: bytes) -> None:
    ran = await pixera("certificate", "verify", written(tmp_path, changed), "--key", str(key))
    assert ran.code == 1
    assert "does NOT verify" in ran.out
    assert "\x1b" not in ran.out


async def test_what_cannot_be_told_is_neither_yes_nor_no(tmp_path: Path, key: Path) -> None:
    good, nothing = written(tmp_path, GOOD), str(tmp_path / "absent")
    private = tmp_path / "private.pem"
    private.write_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
    for arguments in (
        [nothing, "--key", str(key)],
        [good, "--key", nothing],
        [good, "--key", good],
        [good, "--key", str(private)],
        [good, "--url", "http://127.0.0.1:9"],
        [],
    ):
        ran = await pixera("certificate", "verify", *arguments)
        assert ran.code == 2, (arguments, ran.out)
        assert ran.err
        assert "Traceback" not in ran.err
