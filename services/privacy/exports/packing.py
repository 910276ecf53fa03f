"""Packing: one archive of all parts of an export, by one worker at a time, from the beginning after a crash."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from uuid import UUID

from libs.common.audit import Audit
from libs.common.bus.lease import Lease
from libs.common.clock import new_id, now
from libs.common.errors import PixeraError, SubjectErased
from libs.common.events.auth import MailRequestedV2
from libs.common.events.privacy import Holder, RequestFulfilledV1, RequestOutcome
from libs.common.exporting import records, segments
from libs.common.exporting.segments import ExportDamaged, SegmentWriter, Stored
from libs.common.logging import logger
from libs.common.privacy.removals import Removals
from libs.common.privacy.writes import Writes
from libs.common.sealing import Sealing
from libs.common.storage import ObjectMissing, Storage
from libs.common.stream_cipher import StreamCipher, new_key
from libs.common.work import UnitOfWork
from services.privacy.exports.archive import ZipArchive
from services.privacy.exports.binding import Binder
from services.privacy.exports.metrics import PACK_FAILED, READY_SECONDS
from services.privacy.exports.models import Export, ExportedPart, ExportState
from services.privacy.exports.rows import ExportRows
from services.privacy.exports.service import Exports
from services.privacy.protocol import HOLDERS

LEASE_S = 8.0
LOOK_EVERY_S = 1.0
READY_MAIL = "export-ready"
MADE: RequestOutcome = "archive-made"

log = logger("privacy.exports")


class PartUnreadable(PixeraError):
    """A part was changed, or is gone: its holder writes it anew."""

    code, title = "export-part-unreadable", "A part of this export cannot be read"

    def __init__(self, holder: Holder) -> None:
        super().__init__()
        self.holder = holder


class Packing:
    """Makes archives, and removes those whose time is over. Args: kept: how long an archive is there."""

    def __init__(  # noqa: PLR0917 - the composition root is its one caller
        self,
        exports: Exports,
        rows: ExportRows,
        work: UnitOfWork,
        audit: Audit,
        sealing: Sealing,
        storage: Storage,
        writes: Writes,
        removals: Removals,
        kept: timedelta,
        sweep_every_s: float,
    ) -> None:
        self._exports, self._rows, self._work, self._audit = exports, rows, work, audit
        self._sealing, self._storage, self._writes, self._removals = sealing, storage, writes, removals
        self._kept, self._sweep_every_s = kept, sweep_every_s

    async def run(self) -> None:
        """Pack what is due and remove what is over, for as long as the process lives; one worker does."""
        lease = Lease(self._work.mongo, "exports", LEASE_S)
        async with lease.held():
            swept_at = -self._sweep_every_s
            while True:
                lease.require()
                while export := await self._rows.to_pack():
                    await self._try(export, lease)
                if time.monotonic() - swept_at > self._sweep_every_s:
                    await self._exports.remove_expired(lease.require)
                    swept_at = time.monotonic()
                await self._exports.measure()
                await asyncio.sleep(LOOK_EVERY_S)

    async def _try(self, export: Export, lease: Lease) -> None:
        """Pack one. What fails is tried again later; the alert tells when it goes on for long."""
        try:
            await self.pack(export, lease)
        except SubjectErased:
            log.info("export.subject_erased", export=str(export.id))
        except PartUnreadable as error:
            log.warning("export.part_unreadable", export=str(export.id), holder=error.holder, exc_info=error)
            ask = partial(self._exports.ask_anew, export, error.holder)
            await self._work.run(ask, subject=export.user_id)
        except Exception as error:
            PACK_FAILED.inc()
            log.warning("export.not_packed", export=str(export.id), tries=export.tries, exc_info=error)
        lease.require()

    async def pack(self, export: Export, lease: Lease) -> None:
        """Make the archive of an export whose parts are there, unless another worker did since it was read.

        Raises:   SubjectErased; PartUnreadable; LeaseLost: another worker may be at it.
        Effects:  the archive's segments; the export; publishes mail.requested, request.fulfilled and
                  action.recorded; all else of the export goes.
        """
        stale, attempt, key = export.attempt, new_id(), new_key()
        if not await self._rows.begin(export, attempt):  # before all that may fail: what does is put off
            return
        if stale is not None:
            await self._removals.delete_prefix(export.user_id, f"{self._prefix(export, stale)}/")
        (sealed_key,) = await self._sealing.seal(export.user_id, [key])
        moment = now()
        archive = ZipArchive(self._writer(export, attempt, key), moment)
        binder = Binder(archive, moment)
        async for record in self._records(export, binder):
            lease.require()
            await binder.take(record)
        await binder.end()
        files, stored = await archive.end()
        done = self._done(export, attempt, sealed_key, files, stored)
        if not await self._work.run(lambda: self._conclude(done), subject=export.user_id):
            return
        READY_SECONDS.observe((now() - export.created_at).total_seconds())
        await self._remove_all_but(done)

    async def _records(self, export: Export, binder: Binder) -> AsyncIterator[records.Record]:
        """Yield the records of all parts, one part after the other."""
        for holder in HOLDERS:
            part = export.parts[holder]
            pieces = segments.read(
                self._storage,
                self._prefix(export, part.attempt),
                part.segments,
                await self._cipher(export, part),
            )
            try:
                async for record in records.decoded(pieces):
                    yield record
            except (ExportDamaged, ObjectMissing) as error:
                raise PartUnreadable(holder) from error
            await binder.end_part()

    async def _cipher(self, export: Export, part: ExportedPart) -> StreamCipher:
        (key,) = await self._sealing.opened(export.user_id, [part.sealed_key])
        if key is None:
            raise SubjectErased
        return StreamCipher(key)

    def _writer(self, export: Export, attempt: UUID, key: bytes) -> SegmentWriter:
        prefix = self._prefix(export, attempt)
        return SegmentWriter(self._storage, self._writes, export.user_id, prefix, StreamCipher(key))

    def _done(self, export: Export, attempt: UUID, sealed_key: str, files: int, stored: Stored) -> Export:
        moment = now()
        told = {
            "attempt": attempt,
            "sealed_key": sealed_key,
            "files": files,
            "segments": stored.segments,
            "size": stored.size,
            "sha256": stored.sha256,
            "state": ExportState.READY,
            "open": False,
            "ready_at": moment,
            "expires_at": moment + self._kept,
        }
        return export.model_copy(update=told)

    async def _conclude(self, done: Export) -> bool:
        """Hand the archive over, inside the open transaction; requests that joined meanwhile are told as well.

        Returns:  False: the export is gone, or another worker has begun since: what lies there may be its archive.
        """
        current = await self._rows.get(done.user_id, done.id)
        if current is None or current.attempt != done.attempt:
            return False
        told = done.model_dump(
            include={"sealed_key", "files", "segments", "size", "sha256", "open", "ready_at", "expires_at"}
        )
        await self._rows.set(done, state=done.state.value, parts={}, **told)
        mail = MailRequestedV2(user_id=done.user_id, kind=READY_MAIL)
        fulfilled = [
            RequestFulfilledV1(user_id=done.user_id, request_id=each.id, kind=each.kind, outcome=MADE)
            for each in current.requests
        ]
        await self._work.outbox.add(mail, *fulfilled)
        await self._audit.record(
            "export.made", ground=MADE, subject=done.user_id, target=str(done.id), count=done.files
        )
        return True

    async def _remove_all_but(self, done: Export) -> None:
        """Remove parts, and what attempts of whoever left: of all that writes here, privacy alone removes."""
        kept = f"{self._prefix(done, done.attempt)}/"
        found = self._storage.names(segments.BUCKET, f"{self._exports.home(done)}/")
        gone = [name async for name in found if not name.startswith(kept)]
        await self._removals.delete(done.user_id, gone)

    def _prefix(self, export: Export, attempt: UUID | None) -> str:
        return f"{self._exports.home(export)}/{attempt}"
