"""Makes a backup: objects, the log's positions, every row at one moment, and the objects that came meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import get_args

from bson import Timestamp

from libs.common.backup import objects, positions, rows
from libs.common.backup.errors import SnapshotLost
from libs.common.backup.folder import Draft, Folder
from libs.common.backup.manifest import FileEntry, Manifest, Offsets, key_id
from libs.common.backup.settings import BackupSettings
from libs.common.bus.lease import LeaseRow
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.privacy import Holder
from libs.common.mongo import Mongo
from libs.common.privacy.retention.sweeps import Sweep
from libs.common.privacy.writes import Write
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.vault.keys import vault_database

SERVICES: tuple[str, ...] = get_args(Holder)
CLOCKS_APART = timedelta(minutes=5)
"""How far the object store's clock may differ from ours: so much more is copied by the second pass."""
TRIES = 3
ALWAYS_LEFT_OUT = (LeaseRow.collection, Sweep.collection, Write.collection)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backup is. Args: rows_of: about how many rows there are."""

    step: str
    rows: int = 0
    rows_of: int = 0
    objects: int = 0


Tell = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Point:
    """The one moment of a backup, and the event log around it. See Manifest."""

    at: Timestamp
    committed: dict[str, Offsets]
    erasures_from: Offsets
    ends: Offsets
    late: list[str]


@dataclass(frozen=True, slots=True)
class Contents:
    """What is stored, by the data map. Args: left_out: (service, collection) that no backup has; form: its digest."""

    left_out: frozenset[tuple[str, str]]
    form: str


class Maker:
    """Makes backups of the platform."""

    def __init__(
        self,
        mongo: Mongo,
        storage: Storage,
        settings: CommonSettings,
        backups: BackupSettings,
        contents: Callable[[], Contents],
    ) -> None:
        self._mongo, self._storage, self._settings = mongo, storage, settings
        self._backups, self._contents = backups, contents

    async def make(self, backup: str, tell: Tell) -> Manifest:
        """Make a backup and, apart from it, one of the vault.

        Raises:   BackupsOff, SnapshotLost, and what the servers raise; then there is a half, and no backup.
        Effects:  files in both folders.
        """
        began, told = now(), _Told(tell)
        contents = await asyncio.to_thread(self._contents)
        draft = await asyncio.to_thread(Folder(*self._backups.place()).begin, backup)
        vault = await asyncio.to_thread(Folder(*self._backups.place(vault=True)).begin, backup)
        await told.step("objects")
        first = await objects.save(self._storage, 1, None, draft, told.objects)
        point, saved, keys = await self._rows(draft, vault, backup, told, contents)
        await told.step("new objects")
        second = await objects.save(self._storage, 2, began - CLOCKS_APART, draft, told.objects)
        manifest = self._manifest(backup, began, point, contents, [*saved, *first, *second])
        apart = self._vault_manifest(manifest, keys)
        await asyncio.to_thread(vault.finish, apart)
        await asyncio.to_thread(draft.finish, manifest)
        return manifest

    async def _rows(
        self, draft: Draft, vault: Draft, backup: str, told: "_Told", contents: Contents
    ) -> tuple[Point, list[FileEntry], list[FileEntry]]:
        """Save every row at one moment; at another one, where the database could not keep the first."""
        for attempt in range(TRIES):
            await told.step("rows", await self._estimate())
            point = await self._point(backup)
            try:
                saved = await self._save(point, draft, told, contents)
                keys = self._mongo.beside(vault_database(self._settings))
                return point, saved, await rows.save(keys, point.at, (), vault, told.rows)
            except SnapshotLost:
                if attempt == TRIES - 1:
                    raise
                for each in (draft, vault):
                    await asyncio.to_thread(each.discard, "dump")
        raise SnapshotLost

    async def _save(self, point: Point, draft: Draft, told: "_Told", contents: Contents) -> list[FileEntry]:
        saved = []
        for service in SERVICES:
            left_out = {
                *ALWAYS_LEFT_OUT,
                *(name for owner, name in contents.left_out if owner == service),
            }
            database = self._mongo.beside(self._database(service))
            saved += await rows.save(database, point.at, left_out, draft, told.rows)
        return saved

    async def _point(self, backup: str) -> Point:
        """Look at the log, take the moment, look again, and tell which events between came after the moment."""
        bootstrap = self._settings.kafka_bootstrap
        committed = await positions.committed(bootstrap, SERVICES)
        before = await positions.ends(bootstrap)
        at = await rows.moment(self._mongo)
        after = await positions.ends(bootstrap)
        return Point(at, committed, before, after, await self.written_since(at, backup))

    async def written_since(self, at: Timestamp, backup: str) -> list[str]:
        """Return the events that were written after a moment and before this call: those already in the log among
        them must not have an effect on what is restored from before.

        Effects:  a row of ours comes and goes in `leases`; once the change stream shows it, all before was seen.
        """
        leases, mark = self._mongo.collection(LeaseRow), f"backup-{backup}"
        await leases.insert_one(LeaseRow(id=mark, holder="backup", until=now()).to_mongo())
        ours = [self._database(service) for service in SERVICES]
        outboxes = {"ns.coll": OutboxRow.collection, "ns.db": {"$in": ours}}
        kept = {"operationType": "insert", "$or": [outboxes, {"documentKey._id": mark}]}
        late: list[str] = []
        try:
            async with self._mongo.changes_since(at, kept) as changes:
                async for change in changes:
                    if change["documentKey"]["_id"] == mark:
                        break
                    late.append(str(change["documentKey"]["_id"]))
        finally:
            await leases.delete_one({"_id": mark})
        return late

    async def _estimate(self) -> int:
        counts = [
            await self._mongo.beside(self._database(service)).command({"dbStats": 1}) for service in SERVICES
        ]
        return sum(int(count["objects"]) for count in counts)

    def _database(self, service: str) -> str:
        return self._settings.mongo_database_prefix + service

    def _manifest(
        self, backup: str, began: datetime, point: Point, contents: Contents, files: list[FileEntry]
    ) -> Manifest:
        _, key = self._backups.place()
        return Manifest(
            id=backup,
            kind="platform",
            platform=contents.form,
            key_id=key_id(key),
            made_at=began,
            expires_at=began + self._backups.kept,
            cluster_time=(point.at.time, point.at.inc),
            committed=point.committed,
            erasures_from=point.erasures_from,
            ends=point.ends,
            late=point.late,
            files=files,
        )

    def _vault_manifest(self, manifest: Manifest, files: list[FileEntry]) -> Manifest:
        _, key = self._backups.place(vault=True)
        return manifest.model_copy(
            update={
                "kind": "vault",
                "key_id": key_id(key),
                "expires_at": manifest.made_at + self._backups.vault_kept,
                "files": files,
            }
        )


class _Told:
    """Adds up how far it is, and tells."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._now = tell, Progress("waiting")

    async def step(self, name: str, rows_of: int | None = None) -> None:
        changed = {"step": name} if rows_of is None else {"step": name, "rows": 0, "rows_of": rows_of}
        await self._say(**changed)

    async def rows(self, more: int) -> None:
        await self._say(rows=self._now.rows + more)

    async def objects(self, more: int) -> None:
        await self._say(objects=self._now.objects + more)

    async def _say(self, **changed: object) -> None:
        self._now = replace(self._now, **changed)  # type: ignore[arg-type]
        await self._tell(self._now)
