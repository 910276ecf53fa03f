"""Restores a backup while nothing runs, so that nobody who left since is there when the first service starts.

It can be done again from the start at any point: what it needs of the present is written down before anything is
overwritten, and until it has come to its end no process of the platform starts (ADR 0025).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from libs.common.backup import accounts, keys, objects, positions, rows
from libs.common.backup.aftermath import UNFENCED, Aftermath
from libs.common.backup.errors import AnotherRestore, BackupNotFound, PlatformRuns
from libs.common.backup.folder import METADATA, Folder, Opened
from libs.common.backup.forgetting import Forgetting
from libs.common.backup.maker import SERVICES
from libs.common.backup.manifest import FileEntry
from libs.common.backup.marker import Mark, Marker
from libs.common.backup.report import RestoreReport
from libs.common.backup.rows import Definition
from libs.common.backup.settings import BackupSettings
from libs.common.bus.group import Group
from libs.common.bus.inbox import Inbox, InboxRow
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import new_id, now
from libs.common.document import Document, Restored
from libs.common.mongo import APPNAME, Mongo
from libs.common.privacy.holdings import Holdings, locator
from libs.common.privacy.tombstones import Tombstone
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.vault.keys import DataKey, DataKeys, vault_database

APPNAME_OF_RESTORES = "restoring-pixera"
REPORTS = "privacy"
"""The service that keeps the proof, and with it the tombstones with all that was counted on them."""
RECORDS = "privacy.record-audit"
"""The group that writes the audit ledger. Its events are delivered again, so what it did is kept with the ledger."""

Tell = Callable[[str, int, int], Awaitable[None]]
"""Is told the step, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Stored:
    """What a restore must know of the code. Args: holdings: of every service; groups: every consumer group."""

    holdings: Sequence[Holdings]
    groups: Sequence[Group]

    def kept(self, service: str) -> dict[str, Restored]:
        """Return the collections of a service of which rows stay, and how what the backup has is added to them."""
        documents: list[type[Document]] = [
            each for held in self.holdings if held.service == service for each in held.documents
        ]
        kept = {each.collection: each.restored for each in documents if each.restored.keeps}
        also: list[type[Document]] = [OutboxRow]
        if service == REPORTS:
            also += [Tombstone, InboxRow]
        return kept | {each.collection: Restored.KEPT for each in also}


def new_appname() -> str:
    """Return what a restore's client names itself, so that it tells itself from another restore."""
    return f"{APPNAME_OF_RESTORES}-{new_id()}"


@dataclass(frozen=True, slots=True)
class Source:
    """What is restored. Args: vault: None where the vault has no backup of that name, or not any more."""

    platform: Opened
    vault: Opened | None

    @property
    def files(self) -> list[tuple[Opened, FileEntry]]:
        """Return every file, with the backup that it is in."""
        both = [self.platform, self.vault] if self.vault else [self.platform]
        return [(opened, entry) for opened in both for entry in opened.manifest.files]

    @property
    def keys(self) -> list[FileEntry]:
        """Return the files of people's keys."""
        files = self.vault.manifest.files if self.vault else []
        return [entry for entry in files if entry.name.endswith(f"/{DataKey.collection}.bson")]


class Restore:
    """One restore.

    Args:     mongo: a client that names itself `appname`, of `new_appname`.

    `locked` tells whether services are locked out until this backup is restored, by this try or one before it.
    """

    def __init__(  # noqa: PLR0917 - the command is its one caller
        self,
        platform: Stored,
        mongo: Mongo,
        appname: str,
        storage: Storage,
        settings: CommonSettings,
        backups: BackupSettings,
    ) -> None:
        self.locked = False
        self._appname = appname
        self._platform, self._mongo, self._storage = platform, mongo, storage
        self._settings, self._backups = settings, backups
        self._databases = {name: mongo.beside(settings.mongo_database_prefix + name) for name in SERVICES}
        self._marker = Marker(mongo, settings)
        self._forgetting = Forgetting(platform.holdings, self._databases, storage, settings)

    async def run(self, backup: str, tell: Tell) -> RestoreReport:
        """Restore a backup.

        Raises:   BackupNotFound, BackupKeyWrong, BackupDamaged, BackupsOff, PlatformRuns, LogLost, ProofDiverged,
                  AnotherRestore: this try changed nothing; StillThere, and what the servers raise: where `locked`,
                  services stay locked out.
        Effects:  databases, buckets and consumer groups are as of the backup, and people who left are gone.
        """
        self.locked = await self._marker.is_of(backup)
        source = await asyncio.to_thread(self._open, backup)
        await self._check(source, tell)
        opened = source.platform
        await self._require_stopped()
        await positions.require_reach(self._settings.kafka_bootstrap, opened.manifest.erasures_from)
        await self._require_own_proof(opened)
        mark = await self._lock_out(backup)
        log = Aftermath(
            self._settings.kafka_bootstrap, opened.manifest, self._databases, list(self._platform.groups)
        )
        certificates = await self._write_down(log)
        await self._load_rows(opened, tell)
        back = await self._load_keys(source, tell)
        await self._load_objects(opened, tell)
        erased, frozen = await self._forgetting.run(self._marker.kept(), tell)
        await tell("events", 0, 0)
        await log.settle()
        report = RestoreReport(
            id=mark.report,
            backup=backup,
            made_at=opened.manifest.made_at,
            restored_at=now(),
            rows=opened.manifest.rows(),
            objects=opened.manifest.objects(),
            erased=erased,
            frozen=frozen,
            hidden=await log.hidden(),
            lost=[(name, count) for name, count in sorted(log.lost.items())],
            certificates_lost=await self._missing(certificates),
            keys_back=back,
            keyless=await self._keyless(),
        )
        reports = self._databases[REPORTS].collection(RestoreReport)
        await reports.update_one({"_id": report.id}, {"$set": report.to_mongo()}, upsert=True)
        await self._marker.clear()
        self.locked = False
        return report

    def _open(self, backup: str) -> Source:
        opened = Folder(*self._backups.place()).open(backup)
        try:
            return Source(opened, Folder(*self._backups.place(vault=True)).open(backup))
        except BackupNotFound:  # it is kept for a shorter time than the rest
            return Source(opened, None)

    async def _check(self, source: Source, tell: Tell) -> None:
        for number, (opened, entry) in enumerate(source.files):
            await tell("check", number, len(source.files))
            await asyncio.to_thread(opened.check, entry)

    async def _require_stopped(self) -> None:
        """Raises: PlatformRuns (409): a process of the platform, or another restore, is connected to the database."""
        ours = {"appName": {"$regex": f"^({APPNAME}|{APPNAME_OF_RESTORES})", "$ne": self._appname}}
        pipeline = [
            {"$currentOp": {"allUsers": True, "idleConnections": True}},
            {"$match": ours},
            {"$project": {"appName": 1}},
        ]
        command: dict[str, Any] = {"aggregate": 1, "pipeline": pipeline, "cursor": {}}
        found = (await self._mongo.beside("admin").command(command))["cursor"]["firstBatch"]
        if any(each["appName"].startswith(APPNAME_OF_RESTORES) for each in found):
            raise PlatformRuns("another restore is running: let it come to its end")
        if found:
            raise PlatformRuns

    async def _require_own_proof(self, opened: Opened) -> None:
        """Raises: ProofDiverged: what is kept is no continuation of the backup's, nor the backup of it."""
        kept = self._platform.kept(REPORTS)
        for name, entry in self._saved(opened, REPORTS).items():
            if name in kept:
                definition = await _definition(opened, entry)
                await rows.require_continued(self._databases[REPORTS], definition, opened.documents(entry))

    async def _lock_out(self, backup: str) -> Mark:
        """Set the mark, and then see that nobody was let in before it.

        Raises:   AnotherRestore, PlatformRuns: a mark of this try is taken off again.
        """
        self.locked = True  # whatever becomes of the next line, the mark may be there
        try:
            mark = await self._marker.set(backup)
        except AnotherRestore:
            self.locked = False
            raise
        try:
            await self._require_stopped()
        except BaseException:
            if mark.new:
                await self._marker.clear()
                self.locked = False
            raise
        return mark

    async def _write_down(self, log: Aftermath) -> set[int]:
        """Keep who left where a crash cannot lose it; return the numbers of the certificates that they were given."""
        leavers = await log.leavers()
        async for before in self._marker.kept():
            leavers.add(before)
        for erasure in leavers.by_id.values():
            await self._marker.keep(erasure)
        return leavers.certificates

    async def _load_rows(self, opened: Opened, tell: Tell) -> None:
        progress = _Counted(tell, "rows", opened.manifest.rows())
        for service, mongo in self._databases.items():
            saved, kept = self._saved(opened, service), self._platform.kept(service)
            for name in set(await mongo.collection_names()) - saved.keys() - kept.keys():
                await mongo.drop(name)
            await mongo.collection(OutboxRow).delete_many({"topic": {"$nin": list(UNFENCED)}})
            if service == REPORTS:
                await Inbox(mongo, RECORDS).forget_others()
            for name, entry in saved.items():
                definition, how = await _definition(opened, entry), kept.get(name, Restored.AS_SAVED)
                await rows.load(mongo, definition, opened.documents(entry), progress.more, restored=how)

    def _saved(self, opened: Opened, service: str) -> dict[str, FileEntry]:
        """Return the files of a service's rows, by collection."""
        prefix = f"dump/{self._databases[service].database}/"
        return {
            entry.name.removeprefix(prefix).removesuffix(".bson"): entry
            for entry in opened.manifest.files
            if entry.name.startswith(prefix) and entry.name.endswith(".bson")
        }

    async def _load_keys(self, source: Source, tell: Tell) -> int | None:
        """Bring people's keys back; return how many, None where the vault has no backup."""
        if source.vault is None:
            return None
        vault, back = self._mongo.beside(vault_database(self._settings)), 0
        progress = _Counted(tell, "keys", sum(entry.count for entry in source.keys))
        for entry in source.keys:
            back += await keys.load(vault, source.vault.documents(entry), progress.more)
        return back

    async def _load_objects(self, opened: Opened, tell: Tell) -> None:
        progress = _Counted(tell, "objects", opened.manifest.objects())
        gone = {
            locator(self._settings.pseudonym_key, erasure.user_id)
            async for erasure in self._marker.kept()
            if erasure.requested
        }
        for entry in opened.manifest.files:
            if entry.name.startswith("objects/"):
                bucket = objects.bucket_of(entry.name)
                await self._storage.require_buckets(bucket)
                await objects.load(
                    self._storage, bucket, opened.documents(entry), frozenset(gone), progress.more
                )

    async def _keyless(self) -> int:
        auth = self._databases[accounts.SERVICE]
        return await accounts.keyless(auth, DataKeys(auth, self._settings))

    async def _missing(self, certificates: set[int]) -> list[int]:
        rows_of = self._databases[REPORTS].collection("certificates")
        there = await rows_of.distinct("sequence", {"sequence": {"$in": sorted(certificates)}})
        return sorted(certificates - set(there))


class _Counted:
    """Adds up what is done of one step."""

    def __init__(self, tell: Tell, step: str, of: int) -> None:
        self._tell, self._step, self._of, self._done = tell, step, of, 0

    async def more(self, count: int) -> None:
        self._done += count
        await self._tell(self._step, self._done, self._of)


async def _definition(opened: Opened, entry: FileEntry) -> Definition:
    """Return what the collection of a file is besides its rows."""
    about = await asyncio.to_thread(opened.text, f"{entry.name.removesuffix('.bson')}{METADATA}")
    return Definition.of_text(about)
