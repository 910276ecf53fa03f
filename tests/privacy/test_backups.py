"""Backups as operators and the worker see them: made whole, told to the audit, gone when their time is over."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from libs.common.backup.errors import BackupNotFound, BackupsOff
from libs.common.backup.folder import Folder
from libs.common.backup.maker import Contents, Maker
from libs.common.backup.report import RestoreReport
from libs.common.backup.settings import BackupSettings
from libs.common.bus.lease import LeaseRow
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.mongo import Mongo
from libs.common.storage import Storage
from services.privacy.backing_up import BackingUp
from services.privacy.backup_repository import BackupRepository, RestoreRepository
from services.privacy.backups import Backups
from services.privacy.errors import BackupUnderWay
from services.privacy.models import Backup, BackupState
from tests.privacy.conftest import BUCKET, Privacy

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Safe:
    """Privacy's backups on folders of a test's own."""

    settings: BackupSettings
    backups: Backups
    worker: BackingUp
    rows: BackupRepository
    gallery: Mongo
    storage: Storage

    def folder(self, *, vault: bool = False) -> Folder:
        return Folder(*self.settings.place(vault=vault))

    async def made(self) -> str:
        """Have a backup made, and return its name."""
        asked = await self.backups.request("staff:tests")
        await self.worker.make_waiting()
        return asked.id


def settings_in(folder: Path, **changes: Any) -> BackupSettings:
    keys = {
        name: SecretStr(base64.b64encode(bytes([n]) * 32).decode())
        for n, name in enumerate(("key", "vault_key"))
    }
    return BackupSettings(dir=folder / "backups", vault_dir=folder / "vault", **{**keys, **changes})


@pytest.fixture
async def safe(privacy: Privacy, tmp_path: Path) -> AsyncIterator[Safe]:
    platform, settings = privacy.platform, settings_in(tmp_path)
    rows = BackupRepository(privacy.mongo)
    maker = Maker(
        privacy.mongo,
        privacy.storage,
        privacy.settings,
        settings,
        lambda: Contents(frozenset({("gallery", "sessions")}), "0" * 16),
    )
    worker = BackingUp(
        rows, RestoreRepository(privacy.mongo), maker, platform.work, platform.audit, settings, privacy.mongo
    )
    gallery = privacy.mongo.beside(f"{privacy.settings.mongo_database_prefix}gallery")
    await gallery.drop("images")
    await gallery.collection("images").insert_many([{"_id": n, "caption": "ada's cat"} for n in range(30)])
    await gallery.collection("sessions").insert_one({"_id": "s", "ip": "10.1.2.3"})
    await privacy.storage.put(BUCKET, "ab/cd", b"ada's cat, as a picture", "image/png")
    await privacy.mongo.collection(OutboxRow).delete_many({})
    yield Safe(
        settings,
        Backups(rows, platform.work, platform.audit, settings),
        worker,
        rows,
        gallery,
        privacy.storage,
    )
    await privacy.mongo.collection(Backup).delete_many({})
    await gallery.drop("sessions")


async def audited(privacy: Privacy) -> list[tuple[str, str, int | None]]:
    """Return what the audit was told: action, target, count."""
    found = await privacy.mongo.collection(OutboxRow).find({"topic": "action.recorded"}, sort=[("_id", 1)])
    said = [json.loads(row["body"]) for row in found]
    return [(each["action"], each["target"], each["count"]) for each in said]


async def test_a_backup_is_made_whole_and_told(privacy: Privacy, safe: Safe) -> None:
    backup = await safe.made()
    opened = await safe.backups.open(backup)
    assert [error async for _, error in safe.backups.verified(opened) if error] == []
    files = {entry.name: entry for entry in opened.manifest.files}
    images = files[f"dump/{safe.gallery.database}/images.bson"]
    assert [row["caption"] for row in opened.documents(images)] == ["ada's cat"] * 30
    (pack,) = [entry for name, entry in files.items() if name == f"objects/{BUCKET}.1.pack"]
    assert ("ab/cd", b"ada's cat, as a picture") in [(o["name"], o["data"]) for o in opened.documents(pack)]
    row, manifest = await safe.backups.get(backup)
    assert (row and row.state, manifest and manifest.id) == (BackupState.DONE, backup)
    told = [(action, target) for action, target, _ in await audited(privacy)]
    assert told == [("backup.requested", backup), ("backup.made", backup)]


async def test_nothing_of_it_can_be_read_and_what_must_not_come_back_is_not_in_it(safe: Safe) -> None:
    backup = await safe.made()
    names = [entry.name for entry in safe.folder().open(backup).manifest.files]
    assert not [name for name in names if "sessions" in name or "leases" in name or "/writes" in name]
    assert not [name for name in names if "_vault/" in name]
    assert (await safe.backups.open(backup)).manifest.kind == "platform"
    assert safe.folder(vault=True).open(backup).manifest.kind == "vault"
    for folder in (safe.folder(), safe.folder(vault=True)):
        for path in folder.path.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0
            assert path.is_dir() or b"ada's cat" not in path.read_bytes()


async def test_what_is_written_after_the_moment_is_told_apart(privacy: Privacy, safe: Safe) -> None:
    outbox = privacy.mongo.collection(OutboxRow)
    await outbox.insert_one({"_id": "before"})
    maker = safe.worker.maker
    at = (await privacy.mongo.command({"ping": 1}))["operationTime"]
    await outbox.insert_one({"_id": "after"})
    assert await maker.written_since(at, "20261126t080000z-abcdef") == ["after"]
    assert not await privacy.mongo.collection(LeaseRow).count({"holder": "backup"})


async def test_one_at_a_time_and_none_where_they_are_off(safe: Safe, privacy: Privacy) -> None:
    await safe.backups.request("staff:tests")
    with pytest.raises(BackupUnderWay):
        await safe.backups.request("staff:tests")
    off = Backups(
        safe.rows, privacy.platform.work, privacy.platform.audit, BackupSettings(dir=None, key=None)
    )
    with pytest.raises(BackupsOff):
        await off.request("staff:tests")


async def test_a_damaged_file_is_named(safe: Safe) -> None:
    backup = await safe.made()
    name = f"dump/{safe.gallery.database}/images.bson"
    path = safe.folder().path / backup / name
    path.write_bytes(path.read_bytes()[:-1])
    opened = await safe.backups.open(backup)
    assert [found async for found, error in safe.backups.verified(opened) if error] == [name]


async def test_a_backup_whose_worker_was_killed_is_none_and_leaves_nothing(safe: Safe) -> None:
    asked = await safe.backups.request("staff:tests")
    await safe.rows.begin(asked.id)
    for vault in (False, True):
        draft = safe.folder(vault=vault).begin(asked.id)
        with draft.writer("dump/pixera_auth/users.bson") as file:
            file.write(b"half")
    await safe.worker.settle_what_died()
    row, manifest = await safe.backups.get(asked.id)
    assert (row and row.state, row and row.reason, manifest) == (BackupState.FAILED, "interrupted", None)
    assert [list(safe.folder(vault=vault).path.iterdir()) for vault in (False, True)] == [[], []]
    assert await safe.made()


async def test_a_backup_that_fails_says_why(safe: Safe) -> None:
    asked = await safe.backups.request("staff:tests")
    safe.settings.place()[0].mkdir()
    (safe.settings.place()[0] / asked.id).write_text("in the way")
    await safe.worker.make_waiting()
    row, _ = await safe.backups.get(asked.id)
    assert row
    assert (row.state, row.reason) == (BackupState.FAILED, "failed")


async def test_expired_backups_go_and_the_audit_hears(privacy: Privacy, safe: Safe) -> None:
    backup = await safe.made()
    await safe.worker.sweep()
    assert safe.folder().is_whole(backup)
    await privacy.mongo.collection(OutboxRow).delete_many({})
    await safe.worker.sweep(now() + timedelta(days=4))
    assert safe.folder().is_whole(backup)
    assert not safe.folder(vault=True).is_whole(backup)
    await safe.worker.sweep(now() + timedelta(days=15))
    with pytest.raises(BackupNotFound):
        await safe.backups.open(backup)
    assert [(action, target) for action, target, _ in await audited(privacy)] == [
        ("backup.removed", f"vault:{backup}"),
        ("backup.removed", f"platform:{backup}"),
    ]


async def test_a_restore_is_told_to_the_audit_once(privacy: Privacy, safe: Safe) -> None:
    report = RestoreReport(
        id="r1",
        backup="20261126t080000z-abcdef",
        made_at=now(),
        restored_at=now(),
        rows=1,
        objects=1,
        erased=3,
        frozen=0,
        lost=[],
        certificates_lost=[],
    )
    await privacy.mongo.collection(RestoreReport).insert_one(report.to_mongo())
    await safe.worker.record_restores()
    await safe.worker.record_restores()
    assert await audited(privacy) == [("backup.restored", report.backup, 3)]
