"""Restores a backup while nothing runs, so that nobody who left since is there when the first service starts.

It can be done again from the start at any point: what it needs of the present is written down before anything is
overwritten, and until it has come to its end no process of the platform starts (ADR 0025).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from libs.common.backup import objects, positions, rows
from libs.common.backup.aftermath import UNFENCED, Aftermath
from libs.common.backup.errors import BackupNotFound, PlatformRuns
from libs.common.backup.folder import METADATA, Folder, Opened
from libs.common.backup.forgetting import Forgetting
from libs.common.backup.maker import SERVICES
from libs.common.backup.manifest import FileEntry
from libs.common.backup.marker import Marker
from libs.common.backup.report import RestoreReport
from libs.common.backup.rows import Definition
from libs.common.backup.settings import BackupSettings
from libs.common.bus.group import Group
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import new_id, now
from libs.common.document import Document, Restored
from libs.common.mongo import APPNAME, Mongo
from libs.common.privacy.holdings import Holdings, locator
from libs.common.privacy.tombstones import Tombstone
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.vault.keys import DataKey, vault_database

APPNAME_OF_RESTORES = "restoring-pixera"
REPORTS = "privacy"
"""The service that keeps the proof, and with it the tombstones with all that was counted on them."""

Tell = Callable[[str, int, int], Awaitable[None]]
"""Is told the step, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Stored:
    """What a restore must know of the code. Args: holdings: of every service; groups: every consumer group."""

    holdings: Sequence[Holdings]
    groups: Sequence[Group]

    def kept(self, service: str) -> set[str]:
        """Return the collections of a service that never go backwards."""
        documents: list[type[Document]] = [
            each for held in self.holdings if held.service == service for each in held.documents
        ]
        kept = {each.collection for each in documents if each.restored is Restored.KEPT}
        return kept | ({Tombstone.collection} if service == REPORTS else set())


class Restore:
    """One restore. Args: mongo: a client that names itself APPNAME_OF_RESTORES."""

    def __init__(
        self,
        platform: Stored,
        mongo: Mongo,
        storage: Storage,
        settings: CommonSettings,
        backups: BackupSettings,
    ) -> None:
        self._platform, self._mongo, self._storage = platform, mongo, storage
        self._settings, self._backups = settings, backups
        self._databases = {name: mongo.beside(settings.mongo_database_prefix + name) for name in SERVICES}
        self._marker = Marker(mongo, settings)
        self._forgetting = Forgetting(platform.holdings, self._databases, storage, settings)

    async def run(self, backup: str, tell: Tell) -> RestoreReport:
        """Restore a backup.

        Raises:   BackupNotFound, BackupKeyWrong, BackupDamaged, PlatformRuns, LogLost, AnotherRestore: nothing was
                  changed; ProofDiverged, StillThere, and what the servers raise: services stay locked out.
        Effects:  databases, buckets and consumer groups are as of the backup, and people who left are gone.
        """
        opened = await asyncio.to_thread(Folder(*self._backups.place()).open, backup)
        await self._check(opened, tell)
        await self._require_stopped()
        await positions.require_reach(self._settings.kafka_bootstrap, opened.manifest.erasures_from)
        await self._marker.set(backup)
        log = Aftermath(
            self._settings.kafka_bootstrap, opened.manifest, self._databases, list(self._platform.groups)
        )
        certificates = await self._write_down(log)
        await self._load_rows(opened, tell)
        await self._load_objects(opened, tell)
        erased, frozen = await self._forgetting.run(self._marker.kept(), tell)
        await tell("events", 0, 0)
        await log.settle()
        report = RestoreReport(
            id=str(new_id()),
            backup=backup,
            made_at=opened.manifest.made_at,
            restored_at=now(),
            rows=opened.manifest.rows(),
            objects=opened.manifest.objects(),
            erased=erased,
            frozen=frozen,
            lost=[(name, count) for name, count in sorted(log.lost.items())],
            certificates_lost=await self._missing(certificates),
        )
        await self._databases[REPORTS].collection(RestoreReport).insert_one(report.to_mongo())
        await self._marker.clear()
        return report

    async def _check(self, opened: Opened, tell: Tell) -> None:
        files = opened.manifest.files
        for number, entry in enumerate(files):
            await tell("check", number, len(files))
            await asyncio.to_thread(opened.check, entry)

    async def _require_stopped(self) -> None:
        """Raises: PlatformRuns (409): a process of the platform is connected to the database."""
        ours = {"appName": {"$regex": f"^{APPNAME}"}}
        pipeline = [{"$currentOp": {"allUsers": True, "idleConnections": True}}, {"$match": ours}]
        command: dict[str, Any] = {"aggregate": 1, "pipeline": pipeline, "cursor": {}}
        if (await self._mongo.beside("admin").command(command))["cursor"]["firstBatch"]:
            raise PlatformRuns

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
            prefix = f"dump/{mongo.database}/"
            saved = {
                entry.name.removeprefix(prefix).removesuffix(".bson"): entry
                for entry in opened.manifest.files
                if entry.name.startswith(prefix) and entry.name.endswith(".bson")
            }
            kept = self._platform.kept(service)
            for name in set(await mongo.collection_names()) - saved.keys() - kept:
                await mongo.drop(name)
            await mongo.collection(OutboxRow).delete_many({"topic": {"$nin": list(UNFENCED)}})
            for name, entry in saved.items():
                keep = name in kept or name == OutboxRow.collection
                await _load(mongo, opened, entry, progress, keep=keep)
        await self._load_vault(opened.manifest.id, progress)

    async def _load_vault(self, backup: str, progress: "_Counted") -> None:
        """Bring people's keys back only where all of them are lost: a key that was destroyed must not return."""
        vault = self._mongo.beside(vault_database(self._settings))
        if await vault.collection(DataKey).count({}, limit=1):
            return
        folder = Folder(*self._backups.place(vault=True))
        try:
            opened = await asyncio.to_thread(folder.open, backup)
        except BackupNotFound:
            return
        for entry in opened.manifest.files:
            if entry.name.endswith(".bson"):
                await _load(vault, opened, entry, progress)

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


async def _load(
    mongo: Mongo, opened: Opened, entry: FileEntry, progress: _Counted, *, keep: bool = False
) -> None:
    about = await asyncio.to_thread(opened.text, f"{entry.name.removesuffix('.bson')}{METADATA}")
    await rows.load(mongo, Definition.of_text(about), opened.documents(entry), progress.more, keep=keep)
