"""A folder of backups: half of one is none, a changed manifest is refused, an expired one goes."""

import base64
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from pydantic import SecretStr, ValidationError

from libs.common.backup.errors import BackupDamaged, BackupKeyWrong, BackupNotFound, BackupsOff
from libs.common.backup.folder import Folder, new_backup_id
from libs.common.backup.manifest import FileEntry, Manifest, key_id
from libs.common.backup.settings import BackupSettings
from libs.common.bus.topics import RETENTION

KEY = bytes(32)
MADE = datetime(2026, 11, 26, 8, tzinfo=UTC)
KEPT = timedelta(days=14)
NAME = "dump/pixera_auth/users.bson"


def made(folder: Folder, *, made_at: datetime = MADE, finish: bool = True) -> str:
    """Make a backup of three rows."""
    draft = folder.begin(new_backup_id())
    with draft.writer(NAME) as rows:
        rows.write(b"".join(bson.encode({"_id": number}) for number in range(3)))
    entry = FileEntry(name=NAME, count=3, size=rows.size, sha256=rows.sha256)
    manifest = Manifest(
        id=draft.path.name,
        kind="platform",
        platform="0" * 16,
        key_id=key_id(KEY),
        made_at=made_at,
        expires_at=made_at + KEPT,
        cluster_time=(1, 1),
        committed={},
        erasures_from={"user.deleted": {0: 4}},
        ends={"user.deleted": {0: 5}},
        late=[],
        files=[entry],
    )
    if finish:
        draft.finish(manifest)
    return manifest.id


def test_a_whole_one_is_listed_opened_and_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "backups", KEY)
    backup = made(folder)
    assert [each.id for each in folder.whole()] == [backup]
    opened = folder.open(backup)
    (entry,) = opened.manifest.files
    opened.check(entry)
    assert [row["_id"] for row in opened.documents(entry)] == [0, 1, 2]
    assert opened.manifest.ends == {"user.deleted": {0: 5}}
    assert (tmp_path / "backups").stat().st_mode & 0o077 == 0


def test_half_a_backup_is_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path, KEY)
    half = made(folder, finish=False)
    assert folder.whole() == []
    assert folder.halves() == [half]
    with pytest.raises(BackupNotFound):
        folder.open(half)
    folder.remove(half)
    assert folder.halves() == []


@pytest.mark.parametrize("name", ["../etc", "nothing", "20261126t080000z-abcde/", "20261126t080000z-abcdef"])
def test_only_names_of_backups_lead_anywhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(BackupNotFound):
        Folder(tmp_path, KEY).open(name)


def test_another_key_is_refused_as_such(tmp_path: Path) -> None:
    backup = made(Folder(tmp_path, KEY))
    with pytest.raises(BackupKeyWrong, match=key_id(KEY)):
        Folder(tmp_path, b"x" * 32).open(backup)


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    backup = made(Folder(tmp_path, KEY))
    path = tmp_path / backup / "manifest.json"
    path.write_text(path.read_text().replace('"0":4', '"0":3').replace('"0": 4', '"0": 3'))
    with pytest.raises(BackupDamaged, match=r"manifest\.json"):
        Folder(tmp_path, KEY).open(backup)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path, KEY)
    backup = made(folder)
    path = tmp_path / backup / NAME
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BackupDamaged, match=NAME):
        folder.open(backup).check(folder.open(backup).manifest.files[0])
    path.unlink()
    with pytest.raises(BackupDamaged, match=NAME):
        folder.open(backup).check(folder.open(backup).manifest.files[0])


def test_what_is_expired_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path, KEY)
    old, young = made(folder), made(folder, made_at=MADE + timedelta(days=2))
    assert list(folder.expired(MADE + timedelta(days=15), KEPT)) == [old]
    assert [each.id for each in folder.whole()] == [old, young]


@pytest.mark.parametrize("name", ["20261101t080000z-abcdef", "99999999t999999z-abcdef"])
def test_one_that_cannot_be_read_is_told_passed_over_and_expires_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    folder = Folder(tmp_path, KEY)
    backup = made(folder)
    damaged = shutil.copytree(tmp_path / backup, tmp_path / name) / "manifest.json"
    damaged.write_bytes(b"\xff" + damaged.read_bytes()[1:])
    begun = datetime(2026, 11, 1, 8, tzinfo=UTC)
    os.utime(damaged, (begun.timestamp(), begun.timestamp()))  # counts where the name is no time
    assert [each.id for each in folder.whole()] == [backup]
    lines: list[Any] = [record.msg for record in caplog.records]
    assert [(line["event"], line["backup"]) for line in lines] == [("backup.unreadable", name)]
    assert folder.expired(begun + KEPT - timedelta(seconds=1), KEPT) == {}
    assert folder.expired(begun + KEPT, KEPT) == {name: None}
    assert list(folder.expired(MADE + KEPT, KEPT)) == sorted([backup, name])
    assert folder.remove(name)
    assert list(folder.expired(MADE + KEPT, KEPT)) == [backup]


def test_what_is_left_of_one_is_told_and_is_no_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path, KEY)
    backup = made(folder)
    with monkeypatch.context() as stuck:
        stuck.setattr(shutil, "rmtree", lambda *_, **__: None)
        assert not folder.remove(backup)
    assert (folder.whole(), folder.halves()) == ([], [backup])
    assert folder.remove(backup)
    assert folder.halves() == []


def test_backups_end_before_the_log_does_and_the_vaults_before_the_others(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="erased since"):
        BackupSettings(days=RETENTION.days)
    with pytest.raises(ValidationError, match="erased since"):
        BackupSettings(days=2, vault_days=3)
    with pytest.raises(ValidationError, match="beside"):
        BackupSettings(dir=tmp_path, vault_dir=tmp_path)
    with pytest.raises(ValidationError, match="32 bytes"):
        BackupSettings(key=SecretStr("short"))
    with pytest.raises(BackupsOff):
        BackupSettings(dir=None, key=SecretStr(base64.b64encode(KEY).decode())).place()
