"""`pixera audit`: read, taken away, and checked where the platform has no say."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from libs.common.clock import now
from libs.common.events.privacy import ActionRecordedV1
from libs.common.signing import public_pem
from services.privacy.auditing import routes
from tests.cli.conftest import Ran, pixera
from tests.common.test_audit_verify import changed
from tests.privacy.conftest import Privacy

pytestmark = pytest.mark.slow

PERSON = uuid4()


async def told(ran: Ran, code: int = 0) -> dict[str, Any]:
    assert ran.code == code, ran.err or ran.out
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


@pytest.fixture(scope="module")
async def ledger(privacy: Privacy, api: dict[str, str]) -> dict[str, str]:
    """The platform with five entries of `gallery` and two of `auth`."""
    events = [
        ActionRecordedV1(
            stream="gallery" if number < 6 else "auth",
            action="dead-letter.redriven" if number < 6 else "staff.signed-in",
            actor="staff:1",
            ground="mended",
            user_id=PERSON if number == 3 else None,
            count=number,
            at=now(),
        )
        for number in range(1, 8)
    ]
    handler = privacy.groups["privacy.record-audit"].handler
    await privacy.platform.work.run(lambda: handler(events))
    return api


async def test_entries_are_listed_and_found(ledger: dict[str, str]) -> None:
    shown = await pixera("audit", "list", **ledger)
    assert shown.code == 0, shown.err
    assert "dead-letter.redriven" in shown.out
    cases: tuple[tuple[list[str], list[int]], ...] = (
        (["--stream", "auth"], [7, 6]),
        (["--action", "staff.signed-in", "--limit", "1"], [7]),
        (["--actor", "staff:2"], []),
        (["--subject", str(PERSON)], [3]),
        (["--until", "2020-01-01"], []),
        (["--since", "2020-01-01", "--stream", "gallery"], [5, 4, 3, 2, 1]),
    )
    for options, counts in cases:
        ran = await pixera("audit", "list", *options, "--json", **ledger)
        assert ran.code == 0, ran.err
        entries = json.loads(ran.out)
        assert [entry["count"] for entry in entries if entry["ground"] == "mended"] == counts, options
        assert str(PERSON) not in ran.out


async def test_it_is_checked_on_the_platform_and_away_from_it(
    ledger: dict[str, str], privacy: Privacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "EXPORTED_AT_ONCE", 3)
    export, kept, key = tmp_path / "ledger.jsonl", tmp_path / "kept.json", tmp_path / "key.pem"
    key.write_text(public_pem(privacy.service.certificates.keys[0]))
    assert (await pixera("audit", "checkpoint", "--to", str(kept), **ledger)).code == 0
    online = await told(await pixera("audit", "verify", "--json", **ledger))
    assert online["valid"] is True
    assert (await pixera("audit", "export", "--to", str(export), **ledger)).code == 0
    assert (await pixera("audit", "export", "--to", str(export), **ledger)).code == 2, "it exists"
    offline = ["audit", "verify", "--file", str(export), "--checkpoint", str(kept), "--key", str(key)]
    found = await told(await pixera(*offline, "--json", PIXERA_URL="http://127.0.0.1:9"))
    assert found["entries"] == {"auth": 2, "gallery": 5}
    assert "7 entries" in (await pixera(*offline)).out
    for spoil, place in (
        (lambda lines: [changed(line, count=9) if b'"count":4' in line else line for line in lines], 4),
        (lambda lines: [line for line in lines if b'"count":2,' not in line], 2),
        (lambda lines: lines[:-1], 5),
        (lambda lines: [line for line in lines if b'"gallery"' not in line or b'"streams"' in line], 1),
    ):
        bent = tmp_path / f"bent-{place}.jsonl"
        bent.write_bytes(b"\n".join(spoil(export.read_bytes().splitlines())) + b"\n")
        offline[3] = str(bent)
        answer = await told(await pixera(*offline, "--json"), code=1)
        (broken,) = answer["broken"]
        assert (broken["stream"], broken["sequence"]) == ("gallery", place)
        ran = await pixera(*offline)
        assert (ran.code, "First broken" in ran.out) == (1, True)


async def test_what_cannot_be_told_is_neither_yes_nor_no(
    ledger: dict[str, str], privacy: Privacy, tmp_path: Path
) -> None:
    export, key, forged = tmp_path / "ledger.jsonl", tmp_path / "key.pem", tmp_path / "forged.json"
    key.write_text(public_pem(privacy.service.certificates.keys[0]))
    assert (await pixera("audit", "export", "--to", str(export), **ledger)).code == 0
    assert export.stat().st_mode & 0o077 == 0
    bare = tmp_path / "bare.jsonl"
    lines = export.read_bytes().splitlines(keepends=True)
    bare.write_bytes(b"".join(line for line in lines if b'"streams"' not in line))
    for arguments in (
        ["--file", str(bare), "--key", str(key)],
        ["--file", str(tmp_path / "absent"), "--key", str(key)],
        ["--file", str(export), "--key", str(bare)],
        ["--file", str(export), "--key", str(key), "--checkpoint", str(tmp_path / "absent")],
        [],
    ):
        ran = await pixera("audit", "verify", *arguments, PIXERA_URL="http://127.0.0.1:9")
        assert (ran.code, bool(ran.err), "Traceback" in ran.err) == (2, True, False), arguments
    signed = next(line for line in lines if b'"streams"' in line)
    forged.write_bytes(changed(signed, at="2020-01-01T00:00:00.000Z"))
    ran = await pixera(
        "audit", "verify", "--file", str(export), "--key", str(key), "--checkpoint", str(forged), "--json"
    )
    (broken,) = (await told(ran, code=1))["broken"]
    assert "signature" in broken["what"]


async def test_a_person_and_nobody_are_not_let_in(ledger: dict[str, str]) -> None:
    wrong = ledger | {"PIXERA_STAFF_PASSWORD": "not the password"}
    for command in (["list"], ["verify"], ["checkpoint"]):
        ran = await pixera("audit", *command, **wrong)
        assert (ran.code, ran.out) == (2, "")
