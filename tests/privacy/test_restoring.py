"""A restore as privacy, the vault and whoever starts it see it; with all services, it is in test_restore.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from libs.common.backup import restore as restoring
from libs.common.backup.erasures import Erasure
from libs.common.backup.errors import AnotherRestore, BackupDamaged, PlatformRuns, ProofDiverged
from libs.common.backup.marker import Marker
from libs.common.backup.report import RestoreReport
from libs.common.backup.restore import RECORDS, Restore, Stored, new_appname
from libs.common.bus.inbox import Inbox
from libs.common.bus.topics import ensure_topics
from libs.common.clock import new_id, now
from libs.common.mongo import Mongo
from libs.common.vault.keys import DataKey, DataKeys
from services.privacy.auditing.models import AuditEntry, AuditHead
from services.privacy.privacy import HOLDINGS
from tests.privacy.conftest import Privacy
from tests.privacy.test_audit import action, append
from tests.privacy.test_backups import Safe, safe

__all__ = ["safe"]

pytestmark = pytest.mark.slow

OTHER = "20261126t090000z-abcdef"


async def untold(_step: str, _done: int, _of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Offline:
    """A restore of privacy's backups, and ways to see what it did."""

    restore: Restore
    marker: Marker
    vault: Mongo
    keys: DataKeys

    async def run(self, backup: str) -> RestoreReport:
        return await self.restore.run(backup, untold)

    def locked(self) -> bool:
        return self.restore.locked


@pytest.fixture
async def offline(privacy: Privacy, safe: Safe, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Offline]:
    """A restore that takes no offence at the clients of the tests, of people who have no key before."""
    monkeypatch.setattr(restoring, "APPNAME", "nobody")
    await ensure_topics(privacy.settings.kafka_bootstrap)
    appname = new_appname()
    mongo = Mongo.connect(privacy.settings, "privacy", appname=appname)
    restore = Restore(
        Stored([HOLDINGS], []), mongo, appname, privacy.storage, privacy.settings, safe.settings
    )
    vault = mongo.beside(f"{privacy.settings.mongo_database_prefix}vault")
    await vault.collection(DataKey).delete_many({})
    marker = Marker(mongo, privacy.settings)
    yield Offline(restore, marker, vault, DataKeys(mongo, privacy.settings))
    await marker.clear()
    await mongo.close()


async def with_keys(privacy: Privacy, count: int) -> list[UUID]:
    """Return people for whom something is sealed."""
    people = [uuid4() for _ in range(count)]
    for person in people:
        await privacy.platform.sealing.seal(person, ["hers"])
    return people


async def ids_of(offline: Offline, *people: UUID) -> list[UUID]:
    names = [offline.keys.name_of(person) for person in people]
    rows = await offline.vault.collection(DataKey).find({"keyAltNames": {"$in": names}, "destroyed_at": None})
    return sorted(row["_id"] for row in rows)


async def test_keys_that_are_missing_come_back_beside_those_that_are_there(
    privacy: Privacy, safe: Safe, offline: Offline
) -> None:
    there, lost, anew, gone = people = await with_keys(privacy, 4)
    before, backup = await ids_of(offline, *people[:3]), await safe.made()
    for person in (lost, anew):
        await offline.vault.collection(DataKey).delete_many({"keyAltNames": offline.keys.name_of(person)})
    await offline.keys.destroy(gone)
    new = {"_id": uuid4(), "keyAltNames": [offline.keys.name_of(anew)]}
    await offline.vault.collection(DataKey).insert_one(new)  # she signed in before the restore
    report = await offline.run(backup)
    assert report.keys_back == 2
    assert await ids_of(offline, there, lost, anew) == before
    assert await offline.keys.count(gone) == 0
    assert (await offline.run(backup)).keys_back == 0


async def test_a_key_comes_back_where_its_mark_is_lost_too_and_is_destroyed_again(
    privacy: Privacy, safe: Safe, offline: Offline
) -> None:
    (gone,) = await with_keys(privacy, 1)
    backup = await safe.made()
    await offline.marker.keep(Erasure(gone, new_id(), now(), requested=True))  # as the log tells
    await offline.vault.drop(DataKey.collection)
    assert (await offline.run(backup)).keys_back == 1
    assert await offline.keys.count(gone) == 0
    assert await offline.keys.destroy(gone) == 1, "the mark says that there was one"


async def test_that_the_vault_has_no_backup_is_told(safe: Safe, offline: Offline) -> None:
    backup = await safe.made()
    safe.folder(vault=True).remove(backup)
    assert (await offline.run(backup)).keys_back is None


async def test_a_damaged_backup_of_the_vault_is_seen_before_anything_is_changed(
    privacy: Privacy, safe: Safe, offline: Offline
) -> None:
    await with_keys(privacy, 1)
    backup = await safe.made()
    path = safe.folder(vault=True).path / backup / f"dump/{offline.vault.database}/keys.bson"
    path.write_bytes(path.read_bytes()[:-1])
    await safe.gallery.collection("images").insert_one({"_id": "since"})
    with pytest.raises(BackupDamaged):
        await offline.run(backup)
    assert not offline.locked()
    await offline.marker.refuse()
    assert await safe.gallery.collection("images").count({"_id": "since"}) == 1


async def test_the_ledger_is_kept_with_what_its_group_remembers(
    privacy: Privacy, safe: Safe, offline: Offline
) -> None:
    assert RECORDS in privacy.groups
    records, other = Inbox(privacy.mongo, RECORDS), Inbox(privacy.mongo, "privacy.collect")
    for inbox in (records, other):
        await inbox.add(["before"])
    backup = await safe.made()
    for inbox in (records, other):
        await inbox.add(["since"])
    await offline.run(backup)
    assert await records.known(["before", "since"]) == {"before", "since"}
    assert await other.known(["before", "since"]) == {"before"}


async def lose_ledger(privacy: Privacy) -> None:
    for kind in (AuditEntry, AuditHead):
        await privacy.mongo.drop(kind.collection)
    await privacy.mongo.prepare([AuditEntry, AuditHead])


async def test_the_ledger_goes_on_after_an_older_backup_and_then_a_newer_one(
    privacy: Privacy, safe: Safe, offline: Offline
) -> None:
    entries, heads = privacy.mongo.collection(AuditEntry), privacy.mongo.collection(AuditHead)
    await lose_ledger(privacy)
    await append(privacy, action())
    older = await safe.made()
    await append(privacy, action(), action())
    newer = await safe.made()
    await lose_ledger(privacy)
    for backup in (older, newer, older):
        await offline.run(backup)
    await append(privacy, action())
    assert sorted([row["sequence"] for row in await entries.find({"stream": "gallery"})]) == [1, 2, 3, 4]
    assert [row["sequence"] for row in await heads.find({"_id": "gallery"})] == [4]


async def test_proof_of_another_is_seen_before_anything_is_changed(
    privacy: Privacy, safe: Safe, offline: Offline
) -> None:
    await append(privacy, action("billing"))
    backup = await safe.made()
    await lose_ledger(privacy)
    await append(privacy, action("billing"))
    with pytest.raises(ProofDiverged):
        await offline.run(backup)
    assert not offline.locked()
    await offline.marker.refuse()
    await lose_ledger(privacy)


async def test_a_restore_that_is_killed_before_its_end_is_told_once(
    privacy: Privacy, safe: Safe, offline: Offline, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = await safe.made()

    async def killed(_: Marker) -> None:
        raise OSError

    with monkeypatch.context() as dying:
        dying.setattr(Marker, "clear", killed)
        with pytest.raises(OSError, match=r"^$"):
            await offline.run(backup)
    assert offline.locked()
    await offline.run(backup)
    assert not offline.locked()
    assert await privacy.mongo.collection(RestoreReport).count({"backup": backup}) == 1


@asynccontextmanager
async def client(privacy: Privacy, appname: str) -> AsyncIterator[Mongo]:
    """Be connected, for the block, as somebody of that name."""
    mongo = Mongo.connect(privacy.settings, "privacy", appname=appname)
    try:
        yield mongo
    finally:
        await mongo.close()


async def test_a_process_that_starts_before_the_mark_is_seen_after_it(
    privacy: Privacy, safe: Safe, offline: Offline, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, set_mark = await safe.made(), Marker.set
    async with client(privacy, "nobody") as late:

        async def after_it_started(marker: Marker, name: str) -> object:
            await Marker(late, privacy.settings).refuse()
            return await set_mark(marker, name)

        monkeypatch.setattr(Marker, "set", after_it_started)
        with pytest.raises(PlatformRuns):
            await offline.run(backup)
        assert not offline.locked()
        await offline.marker.refuse()
        await set_mark(offline.marker, backup)  # by a try before, which overwrote something
        with pytest.raises(PlatformRuns):
            await offline.run(backup)
        assert offline.locked()
        assert await offline.marker.is_of(backup)


async def test_two_restores_see_each_other(privacy: Privacy, safe: Safe, offline: Offline) -> None:
    backup = await safe.made()
    async with client(privacy, new_appname()) as another:
        await another.ping()
        with pytest.raises(PlatformRuns, match="another restore"):
            await offline.run(backup)


async def test_a_restore_of_another_backup_is_refused_and_changes_nothing(
    safe: Safe, offline: Offline
) -> None:
    backup = await safe.made()
    mark = await offline.marker.set(OTHER)
    assert mark.new
    again = await offline.marker.set(OTHER)
    assert (again.report, again.new) == (mark.report, False)
    with pytest.raises(AnotherRestore):
        await offline.run(backup)
    assert not offline.locked()
    assert await offline.marker.is_of(OTHER)
