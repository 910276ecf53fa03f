"""The worker side of backups: makes what was asked for, removes what is expired, tells the audit of restores."""

import asyncio
import time
from datetime import datetime, timedelta
from functools import partial

from libs.common.audit import Audit
from libs.common.backup.errors import BackupNotFound
from libs.common.backup.folder import Folder
from libs.common.backup.maker import Maker, Progress
from libs.common.backup.manifest import Manifest
from libs.common.backup.report import RestoreReport
from libs.common.backup.settings import BackupSettings
from libs.common.bus.lease import Lease, LeaseLost
from libs.common.clock import now
from libs.common.clock_guard import agreed_now
from libs.common.errors import PixeraError
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.work import UnitOfWork
from services.privacy.backup_repository import BackupRepository, RemovalRepository, RestoreRepository
from services.privacy.metrics import (
    BACKUP_LAST,
    BACKUP_OLDEST,
    BACKUP_SECONDS,
    BACKUPS_NOT_REMOVED,
    BACKUPS_REMOVED,
)
from services.privacy.models import BackupRemoval, BackupState

MADE, FAILED = "backup.made", "backup.failed"
REMOVED, RESTORED = "backup.removed", "backup.restored"
ON_DEMAND, RETENTION_OVER, DISASTER = "on-demand", "retention-over", "disaster-recovery"
LEASE, LEASE_S = "backup", 8.0
LOOK_EVERY_S = 1.0
TELL_EVERY_S = 0.5
UNEXPECTED, INTERRUPTED = "failed", "interrupted"

log = logger("privacy.backup")


class BackingUp:
    """Of all workers, one makes and removes backups: the folders are one volume to all of them."""

    def __init__(  # noqa: PLR0917 - the composition root is its one caller
        self,
        rows: BackupRepository,
        restores: RestoreRepository,
        removals: RemovalRepository,
        maker: Maker,
        work: UnitOfWork,
        audit: Audit,
        settings: BackupSettings,
        mongo: Mongo,
    ) -> None:
        self._rows, self._restores, self._removals, self.maker = rows, restores, removals, maker
        self._work, self._audit, self._settings = work, audit, settings
        self._lease = Lease(mongo, LEASE, LEASE_S)

    async def run(self) -> None:
        """Make what is asked for, for as long as the process lives."""
        await self.record_restores()
        if not self._settings.on:
            return await _for_ever()
        async with self._lease.held():
            await self.settle_what_died()
            swept_at = -self._settings.sweep_every_s
            while True:
                self._lease.require()
                await self.make_waiting()
                if time.monotonic() - swept_at > self._settings.sweep_every_s:
                    await self.sweep()
                    swept_at = time.monotonic()
                await asyncio.sleep(LOOK_EVERY_S)

    async def make_waiting(self) -> None:
        """Make what waits to be made. Raises LeaseLost: another worker may be at it."""
        for waiting in await self._rows.unfinished():
            await self._make(waiting.id)
            self._lease.require()

    async def sweep(self, moment: datetime | None = None) -> None:
        """Remove the backups whose time is over, of either kind, and what is left of any; measure those that stay.

        Raises:   ClocksApart: a backup that goes early is not there when it is needed.
        """
        at = moment or await agreed_now(self._work.mongo)
        for vault in (False, True):
            folder, kind = Folder(*self._settings.place(vault=vault)), "vault" if vault else "platform"
            lasts = self._settings.vault_kept if vault else self._settings.kept
            await self._remove_expired(folder, kind, at, lasts)
            await self._tell_of_removals(folder, kind)
            kept = await asyncio.to_thread(folder.whole)
            oldest = kept[0].made_at if kept else at
            BACKUP_OLDEST.labels(kind).set((at - oldest).total_seconds())
            if kept and not vault:
                BACKUP_LAST.set(kept[-1].made_at.timestamp())
        if not await self._rows.unfinished():  # one that is being made looks like what is left of one
            await self._remove_halves()

    async def _remove_expired(self, folder: Folder, kind: str, at: datetime, lasts: timedelta) -> None:
        """Remove what is expired; what cannot be removed holds up no other, and the next sweep tries again."""
        for backup, manifest in (await asyncio.to_thread(folder.expired, at, lasts)).items():
            rows = manifest.rows() if manifest else None
            await self._removals.begin(
                BackupRemoval(id=f"{kind}:{backup}", kind=kind, backup=backup, rows=rows)
            )
            if not await asyncio.to_thread(folder.remove, backup):
                log.warning("backup.not_removed", backup=backup)

    async def _tell_of_removals(self, folder: Folder, kind: str) -> None:
        """Tell the audit of what is gone, also of what a process before this one removed; count what stands still."""
        begun = await self._removals.begun(kind)
        gone = [each for each in begun if not await asyncio.to_thread(folder.is_whole, each.backup)]
        for removal in gone:
            await self._work.run(partial(self._tell_of_removal, removal))
            BACKUPS_REMOVED.labels(kind).inc()
        BACKUPS_NOT_REMOVED.labels(kind).set(len(begun) - len(gone))

    async def _make(self, backup: str) -> None:
        """Make one that waits. What fails is said on its row and leaves nothing behind."""
        outcome, started = "failed", time.monotonic()
        if not await self._rows.begin(backup):
            return
        try:
            manifest = await self.maker.make(backup, _Telling(self._rows, self._lease, backup).tell)
            self._lease.require()
            await self._conclude(manifest)
            outcome = "made"
            BACKUP_LAST.set(manifest.made_at.timestamp())
        except Exception as error:
            log.warning("backup.failed", backup=backup, exc_info=error)
            reason = error.code if isinstance(error, PixeraError) else UNEXPECTED
            await self._drop(backup, reason)
        finally:
            BACKUP_SECONDS.labels(outcome).observe(time.monotonic() - started)

    async def _conclude(self, manifest: Manifest) -> None:
        """Note that one is made. Raises LeaseLost: another worker has ended it."""
        if not await self._end(manifest.id, manifest):
            raise LeaseLost(LEASE)

    async def _end(self, backup: str, manifest: Manifest | None, reason: str | None = None) -> bool:
        """Note what became of a backup, and tell the audit; False where it has ended already: it ends once."""
        return await self._work.run(partial(self._note_end, backup, manifest, reason))

    async def _note_end(self, backup: str, manifest: Manifest | None, reason: str | None) -> bool:
        if not await self._rows.end(backup, now(), reason):
            return False
        action, rows = (MADE, manifest.rows()) if manifest else (FAILED, None)
        await self._audit.record(action, ground=ON_DEMAND, target=backup, count=rows)
        return True

    async def _drop(self, backup: str, reason: str) -> None:
        """Remove one that failed, and say why on its row; what was noted as made meanwhile stays.

        A half goes at once: it may be what fills the disk. A whole one goes when its row has ended as failed: until
        then a worker that has taken over may find it whole, and call it made.
        """
        if not await asyncio.to_thread(Folder(*self._settings.place()).is_whole, backup):
            await asyncio.to_thread(self._clean, backup)
        await self._end(backup, None, reason)
        row = await self._rows.get(backup)
        if row and row.state is BackupState.FAILED:
            await asyncio.to_thread(self._clean, backup)

    async def settle_what_died(self) -> None:
        """End what a process before this one began, and remove every half; a whole one was only not noted."""
        for dead in await self._rows.unfinished():
            if dead.state is BackupState.RUNNING:
                await self._settle(dead.id)
        await self._remove_halves()

    async def _settle(self, backup: str) -> None:
        """End one; one that cannot be opened fails, and holds up no other."""
        folder = Folder(*self._settings.place())
        try:
            opened = await asyncio.to_thread(folder.open, backup)
        except BackupNotFound:
            await self._end(backup, None, INTERRUPTED)
        except PixeraError as error:
            await self._end(backup, None, error.code)
        else:
            await self._end(backup, opened.manifest)

    async def _remove_halves(self) -> None:
        for vault in (False, True):
            folder = Folder(*self._settings.place(vault=vault))
            for half in await asyncio.to_thread(folder.halves):
                gone = await asyncio.to_thread(folder.remove, half)
                log.warning("backup.half_removed" if gone else "backup.not_removed", backup=half)

    def _clean(self, backup: str) -> None:
        for vault in (False, True):
            Folder(*self._settings.place(vault=vault)).remove(backup)

    async def _tell_of_removal(self, removal: BackupRemoval) -> None:
        if await self._removals.end(removal):
            await self._audit.record(REMOVED, ground=RETENTION_OVER, target=removal.id, count=removal.rows)

    async def record_restores(self) -> None:
        """Tell the audit of restores that it has not heard of."""
        for report in await self._restores.unrecorded():
            await self._work.run(partial(self._record, report))

    async def _record(self, report: RestoreReport) -> None:
        if await self._restores.record(report.id):
            await self._audit.record(RESTORED, ground=DISASTER, target=report.backup, count=report.erased)


class _Telling:
    """Writes down how far a backup is: each step, and now and then what is done of it."""

    def __init__(self, rows: BackupRepository, lease: Lease, backup: str) -> None:
        self._rows, self._lease, self._backup = rows, lease, backup
        self._step, self._told_at = "", 0.0

    async def tell(self, progress: Progress) -> None:
        """Tell how far it is. Raises LeaseLost: another worker may have ended it, and removed what there was."""
        self._lease.require()
        if progress.step == self._step and time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        self._step, self._told_at = progress.step, time.monotonic()
        await self._rows.tell(self._backup, progress)


async def _for_ever() -> None:
    await asyncio.Event().wait()
