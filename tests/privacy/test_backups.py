"""Backups as operators and the worker see them: made whole, told to the audit, gone when their time is over."""

import asyncio
import base64
import json
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from libs.common.backup import manifest as manifests
from libs.common.backup.errors import BackupNotFound, BackupsOff
from libs.common.backup.folder import Draft, Folder
from libs.common.backup.maker import Contents, Maker, Progress, Tell
from libs.common.backup.manifest import Manifest
from libs.common.backup.report import RestoreReport
from libs.common.backup.settings import BackupSettings
from libs.common.bus.lease import LeaseLost, LeaseRow
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.clock_guard import ClocksApart
from libs.common.mongo import Mongo
from libs.common.storage import Storage
from libs.common.testing.metrics import metric
from libs.common.testing.waiting import eventually
from services.privacy.backing_up import LEASE, BackingUp
from services.privacy.backup_repository import BackupRepository, RemovalRepository, RestoreRepository
from services.privacy.backups import Backups
from services.privacy.errors import BackupUnderWay
from services.privacy.models import Backup, BackupState
from tests.clocks import off_by
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

    def left(self) -> list[list[str]]:
        """Return the names of what lies in either folder."""
        folders = (self.folder(), self.folder(vault=True))
        return [[path.name for path in folder.path.iterdir()] for folder in folders]

    async def lose_lease(self) -> None:
        """Have another worker take the lease, as when this one stood still."""
        stolen = {"$set": {"holder": "a successor", "until": now() + timedelta(days=1)}}
        await self.worker._lease._rows.update_one({"_id": LEASE}, stolen)

        async def lost() -> bool:
            return not self.worker._lease.valid

        await eventually(lost)

    async def taken_over(self) -> None:
        """Have another worker take the lease, and settle what this one began."""
        await self.lose_lease()
        await self.worker.settle_what_died()  # it does nothing that is its worker's own

    async def outcome(self, backup: str) -> tuple[BackupState, str | None]:
        row = await self.rows.get(backup)
        assert row is not None
        return row.state, row.reason


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
        rows,
        RestoreRepository(privacy.mongo),
        RemovalRepository(privacy.mongo),
        maker,
        platform.work,
        platform.audit,
        settings,
        privacy.mongo,
    )
    gallery = privacy.mongo.beside(f"{privacy.settings.mongo_database_prefix}gallery")
    await gallery.drop("images")
    await gallery.collection("images").insert_many([{"_id": n, "caption": "ada's cat"} for n in range(30)])
    await gallery.collection("sessions").insert_one({"_id": "s", "ip": "10.1.2.3"})
    await privacy.storage.put(BUCKET, "ab/cd", b"ada's cat, as a picture", "image/png")
    await privacy.mongo.collection(OutboxRow).delete_many({})
    backups = Backups(rows, platform.work, platform.audit, settings)
    async with worker._lease.held():
        yield Safe(settings, backups, worker, rows, gallery, privacy.storage)
    await privacy.mongo.collection(LeaseRow).delete_many({"_id": LEASE})
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


async def test_a_worker_that_lost_the_lease_in_the_middle_of_a_backup_leaves_it_to_its_successor(
    privacy: Privacy, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, finished = BackupRepository.tell, list[Manifest]()

    async def stand_still(rows: BackupRepository, backup: str, progress: Progress) -> None:
        await tell(rows, backup, progress)
        if progress.step == "rows" and safe.worker._lease.valid:
            await safe.taken_over()

    monkeypatch.setattr(BackupRepository, "tell", stand_still)
    monkeypatch.setattr(Draft, "finish", lambda _, manifest: finished.append(manifest))
    asked = await safe.backups.request("staff:tests")
    with pytest.raises(LeaseLost):
        await safe.worker.make_waiting()
    assert await safe.outcome(asked.id) == (BackupState.FAILED, "interrupted")
    assert (safe.left(), finished) == ([[], []], [])
    assert [action for action, *_ in await audited(privacy)] == ["backup.requested", "backup.failed"]


def before_the_end(monkeypatch: pytest.MonkeyPatch, happens: Callable[[str], Awaitable[object]]) -> None:
    """Have something happen when a backup is whole, and its end is not written down."""
    make = Maker.make

    async def making(maker: Maker, backup: str, tell: Tell) -> Manifest:
        manifest = await make(maker, backup, tell)
        await happens(backup)
        return manifest

    monkeypatch.setattr(Maker, "make", making)


async def test_a_backup_that_a_successor_found_whole_stays(
    privacy: Privacy, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_end(monkeypatch, lambda _: safe.taken_over())
    asked = await safe.backups.request("staff:tests")
    with pytest.raises(LeaseLost):
        await safe.worker.make_waiting()
    assert await safe.outcome(asked.id) == (BackupState.DONE, None)
    opened = await safe.backups.open(asked.id)
    assert [error async for _, error in safe.backups.verified(opened) if error] == []
    told = [(action, count) for action, _, count in await audited(privacy)]
    assert told == [("backup.requested", None), ("backup.made", opened.manifest.rows())]


async def test_one_that_cannot_be_opened_holds_up_no_other_that_died(safe: Safe) -> None:
    asked, later = await safe.made(), await safe.made()
    (safe.folder().path / asked / manifests.NAME).write_bytes(b"changed")
    running = {"$set": {"state": BackupState.RUNNING.value}}
    await safe.rows._rows.update_many({"_id": {"$in": [asked, later]}}, running)
    await safe.worker.settle_what_died()
    assert await safe.outcome(asked) == (BackupState.FAILED, "backup-damaged")
    assert await safe.outcome(later) == (BackupState.DONE, None)


async def test_the_disk_is_waited_for_in_threads(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, waited = os.fsync, list[bool]()

    def watched(descriptor: int) -> None:
        waited.append(threading.current_thread() is threading.main_thread())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    await safe.made()
    assert waited
    assert not any(waited)


async def test_without_the_lease_nothing_is_called_made(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> None:
    before_the_end(monkeypatch, lambda _: safe.lose_lease())
    asked = await safe.backups.request("staff:tests")
    with pytest.raises(LeaseLost):
        await safe.worker.make_waiting()
    assert await safe.outcome(asked.id) == (BackupState.FAILED, "failed")
    assert safe.left() == [[], []]


async def test_a_backup_that_was_ended_as_interrupted_is_never_made(
    privacy: Privacy, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_end(monkeypatch, lambda backup: safe.rows.end(backup, now(), "interrupted"))
    backup = await safe.made()
    assert await safe.outcome(backup) == (BackupState.FAILED, "interrupted")
    assert safe.left() == [[], []]
    assert [action for action, *_ in await audited(privacy)] == ["backup.requested"]


async def test_nobody_touches_what_another_worker_is_making(safe: Safe) -> None:
    asked = await safe.backups.request("staff:tests")
    await safe.rows.begin(asked.id)
    for vault in (False, True):
        safe.folder(vault=vault).begin(asked.id)
    await safe.worker.make_waiting()
    assert await safe.outcome(asked.id) == (BackupState.RUNNING, None)
    assert safe.left() == [[asked.id], [asked.id]]


async def test_expired_backups_go_and_the_audit_hears(privacy: Privacy, safe: Safe) -> None:
    backup = await safe.made()
    await safe.worker.sweep()
    assert safe.folder().is_whole(backup)
    with off_by(timedelta(days=15)), pytest.raises(ClocksApart):
        await safe.worker.sweep()
    assert safe.folder(vault=True).is_whole(backup)
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


async def test_one_that_cannot_be_read_holds_up_no_other_and_goes_when_its_time_is_over(
    privacy: Privacy, safe: Safe
) -> None:
    damaged, backup = await safe.made(), await safe.made()
    for vault in (False, True):
        (safe.folder(vault=vault).path / damaged / "manifest.json").write_text("cut short")
    await safe.worker.sweep()
    assert [each.id for each in await safe.backups.whole()] == [backup]
    assert safe.folder().is_whole(damaged)
    await privacy.mongo.collection(OutboxRow).delete_many({})
    await safe.worker.sweep(now() + timedelta(days=4))
    assert (sorted(safe.left()[0]), safe.left()[1]) == (sorted([damaged, backup]), [])
    await safe.worker.sweep(now() + timedelta(days=15))
    assert safe.left() == [[], []]
    told = [(target, count is None) for _, target, count in await audited(privacy)]
    assert sorted(told) == sorted(
        (f"{kind}:{name}", name == damaged) for kind in ("vault", "platform") for name in (damaged, backup)
    )


async def test_what_could_not_be_removed_goes_with_a_later_sweep_and_what_is_being_made_does_not(
    safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, after = await safe.made(), now() + timedelta(days=15)
    with monkeypatch.context() as stuck:
        stuck.setattr(shutil, "rmtree", lambda *_, **__: None)
        await safe.worker.sweep(after)
    halves = [safe.folder(vault=vault).halves() for vault in (False, True)]
    assert halves == [[backup], [backup]]
    asked = await safe.backups.request("staff:tests")
    await safe.rows.begin(asked.id)
    safe.folder().begin(asked.id)
    await safe.worker.sweep(after)
    assert safe.folder().halves() == sorted([backup, asked.id])
    await safe.rows.end(asked.id, now(), "failed")
    await safe.worker.sweep(after)
    assert safe.left() == [[], []]


async def test_the_audit_is_told_of_a_removal_once_it_is_one(
    privacy: Privacy, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, after = await safe.made(), now() + timedelta(days=4)  # the vault's time is over
    await privacy.mongo.collection(OutboxRow).delete_many({})
    with monkeypatch.context() as read_only:
        read_only.setattr(Folder, "remove", lambda *_: False)
        for _ in range(2):
            await safe.worker.sweep(after)
    assert await audited(privacy) == []
    assert metric("pixera_backup_not_removed", kind="vault") == 1
    with monkeypatch.context() as killed:
        killed.setattr(BackingUp, "_tell_of_removal", cancelled)
        with pytest.raises(asyncio.CancelledError):
            await safe.worker.sweep(after)
    assert (safe.left()[1], await audited(privacy)) == ([], [])
    for _ in range(2):
        await safe.worker.sweep(after)
    assert [(action, target) for action, target, _ in await audited(privacy)] == [
        ("backup.removed", f"vault:{backup}")
    ]
    assert metric("pixera_backup_not_removed", kind="vault") == 0


async def cancelled(*_: object) -> None:
    """End as a process does that is killed here."""
    raise asyncio.CancelledError


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
