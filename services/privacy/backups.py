"""Backups as operators ask for them: one at a time, each a row until it is made and a folder from then on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from libs.common.audit import Audit
from libs.common.backup.errors import BackupDamaged, BackupNotFound, BackupsOff
from libs.common.backup.folder import Folder, Opened, new_backup_id
from libs.common.backup.manifest import Manifest
from libs.common.backup.settings import BackupSettings
from libs.common.clock import now
from libs.common.work import UnitOfWork
from services.privacy.backup_repository import BackupRepository
from services.privacy.errors import BackupUnderWay
from services.privacy.models import Backup

REQUESTED = "backup.requested"
ON_DEMAND = "on-demand"


class Backups:
    """What operators do with backups. Restoring is not among it: that is done while nothing runs."""

    def __init__(
        self, rows: BackupRepository, work: UnitOfWork, audit: Audit, settings: BackupSettings
    ) -> None:
        self._rows, self._work, self._audit, self._settings = rows, work, audit, settings

    async def request(self, actor: str) -> Backup:
        """Ask for a backup; a worker makes it.

        Raises:   BackupsOff, BackupUnderWay (409).
        Effects:  publishes action.recorded.
        """
        if not self._settings.on:
            raise BackupsOff
        backup = Backup(id=new_backup_id(), requested_at=now())

        async def write() -> None:
            if await self._rows.unfinished():
                raise BackupUnderWay
            await self._rows.add(backup)
            await self._audit.record(REQUESTED, ground=ON_DEMAND, actor=actor, target=backup.id)

        await self._work.run(write)
        return backup

    async def whole(self) -> list[Manifest]:
        """Return the backups there are, oldest first. Raises BackupsOff (409)."""
        return await asyncio.to_thread(self._folder().whole)

    async def get(self, backup: str) -> tuple[Backup | None, Manifest | None]:
        """Return how far a backup is, and what is in it once it is whole. Raises BackupNotFound (404)."""
        row, manifest = await self._rows.get(backup), None
        with suppress(BackupNotFound):
            manifest = (await self.open(backup)).manifest
        if row is None and manifest is None:
            raise BackupNotFound
        return row, manifest

    async def open(self, backup: str) -> Opened:
        """Return a whole backup.

        Raises:   BackupNotFound (404); BackupsOff, BackupKeyWrong, BackupDamaged (409).
        """
        return await asyncio.to_thread(self._folder().open, backup)

    async def verified(self, opened: Opened) -> AsyncIterator[tuple[str, BackupDamaged | None]]:
        """Read every file of a backup; yield each one's name, and what is wrong with it."""
        for entry in opened.manifest.files:
            try:
                await asyncio.to_thread(opened.check, entry)
            except BackupDamaged as error:
                yield entry.name, error
            else:
                yield entry.name, None

    def _folder(self) -> Folder:
        return Folder(*self._settings.place())
