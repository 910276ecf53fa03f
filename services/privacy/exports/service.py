"""Exports as people and operators see them: begun, followed, handed out, and removed when their time is over."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from pydantic import SecretStr

from libs.common.audit import SYSTEM, Audit
from libs.common.clock import new_id, now
from libs.common.clock_guard import agreed_now
from libs.common.events.privacy import (
    ExportCompletedV1,
    ExportRequestedV1,
    Holder,
    RequestAcceptedV1,
    RequestKind,
)
from libs.common.exporting import segments
from libs.common.logging import logger
from libs.common.mongo import DuplicateKeyError
from libs.common.privacy.holdings import locator
from libs.common.privacy.removals import Removals
from libs.common.sealing import Sealing
from libs.common.storage import Storage
from libs.common.stream_cipher import StreamCipher
from libs.common.work import UnitOfWork
from services.privacy.errors import ExportGone, ExportNotFound, ExportNotReady, ExportTooSoon
from services.privacy.exports.metrics import OLDEST_OPEN, OPEN, REMOVED
from services.privacy.exports.models import Export, ExportedPart, ExportRequest, ExportState
from services.privacy.exports.rows import ExportRows
from services.privacy.protocol import HOLDERS

ANSWERED: frozenset[RequestKind] = frozenset({"access", "portability"})
"""The kinds of requests that an export answers. Source: GDPR Art. 15, Art. 20."""
SHOWN = 20

BY_PERSON, ON_REQUEST, BY_STAFF = "by-person", "on-request", "by-staff"
UNREADABLE, RETENTION_OVER = "part-unreadable", "retention-over"

log = logger("privacy.exports")


@dataclass(frozen=True)
class Archive:
    """An archive that is handed out. Args: size: in bytes; first: the one that `chunks` begin with."""

    export: Export
    first: int
    chunks: AsyncIterator[bytes]


class Exports:
    """Everything that happens to an export but its packing goes through here."""

    def __init__(  # noqa: PLR0917 - the composition root is its one caller
        self,
        rows: ExportRows,
        work: UnitOfWork,
        audit: Audit,
        sealing: Sealing,
        storage: Storage,
        removals: Removals,
        key: SecretStr,
        every: timedelta,
    ) -> None:
        self._rows, self._work, self._audit, self._sealing = rows, work, audit, sealing
        self._storage, self._removals, self._key, self._every = storage, removals, key, every

    async def ask(self, user_id: UUID) -> Export:
        """Begin an export for a person who asks in their account; one that is under way is the answer.

        Raises:   ExportTooSoon (429): the last one is not long ago.
        Effects:  as `begin`.
        """
        last = await self._rows.latest(user_id)
        if (
            last is not None
            and not last.open
            and (wait := last.created_at + self._every - now()) > timedelta()
        ):
            raise ExportTooSoon(retry_after=int(wait.total_seconds()) + 1)
        try:
            return await self._work.run(partial(self.begin, user_id), subject=user_id)
        except DuplicateKeyError:  # asked twice at once
            return await self._require(await self._rows.open_of(user_id))

    async def answer(self, event: RequestAcceptedV1) -> None:
        """Begin an export where a person's request asks for one, inside the open transaction."""
        if event.kind in ANSWERED:
            await self.begin(event.user_id, event.request_id, event.kind)

    async def is_begun(self, user_id: UUID, request_id: UUID) -> bool:
        """Tell whether there is an export that answers a person's request."""
        return await self._rows.answering(user_id, request_id) is not None

    async def begin(
        self, user_id: UUID, request_id: UUID | None = None, kind: RequestKind = "access"
    ) -> Export:
        """Begin an export inside the open transaction, once for each request; one under way answers the request too.

        Raises:   DuplicateKeyError: another was begun at this very moment; the transaction is to be repeated.
        Effects:  the export; publishes export.requested and action.recorded.
        """
        request = None if request_id is None else ExportRequest(id=request_id, kind=kind)
        if request and (known := await self._rows.answering(user_id, request.id)):
            return known
        if export := await self._rows.open_of(user_id):
            if request:
                await self._rows.join(export, request)
            return export
        moment = now()
        export = Export(
            id=new_id(),
            user_id=user_id,
            created_at=moment,
            due_at=moment,
            requests=[request] if request else [],
        )
        await self._rows.add(export)
        await self._work.outbox.add(ExportRequestedV1(user_id=user_id, export_id=export.id))
        await self._record("export.begun", export, ON_REQUEST if request else BY_PERSON)
        return export

    async def note(self, event: ExportCompletedV1) -> None:
        """Take in that a holder's part is there; with the last one the packing is due.

        Effects:  the export. An event about an export that is gone, or has the part, changes nothing.
        """
        part = ExportedPart.model_validate(event.model_dump())
        await self._rows.note_part(event.user_id, event.export_id, event.holder, part)
        export = await self._rows.get(event.user_id, event.export_id)
        if export and export.state is ExportState.GATHERING and export.parts.keys() >= set(HOLDERS):
            await self._rows.set_due(export, state=ExportState.PACKING.value)

    async def of(self, user_id: UUID) -> list[Export]:
        """Return a person's exports, the latest first."""
        return await self._rows.of(user_id, SHOWN)

    async def get(self, user_id: UUID, export_id: UUID) -> Export:
        """Return a person's export. Raises ExportNotFound (404): absent, or another person's."""
        return await self._require(await self._rows.get(user_id, export_id))

    async def open(self, user_id: UUID, export_id: UUID, first: int = 0) -> Archive:
        """Open an archive for the person whose it is. Args: first: the segment to begin with.

        Raises:   ExportNotFound (404); ExportNotReady (409); ExportGone (410): its time is over.
        Effects:  publishes action.recorded: it was taken.
        Personal: everything, to its own subject only.
        """
        export = await self.get(user_id, export_id)
        if export.open:
            raise ExportNotReady
        if export.state is ExportState.REMOVED or export.sealed_key is None or self._is_over(export):
            raise ExportGone
        (key,) = await self._sealing.opened(user_id, [export.sealed_key])
        if key is None:
            raise ExportGone
        await self._work.run(partial(self._record, "export.downloaded", export, BY_PERSON), subject=user_id)
        prefix = f"{self.home(export)}/{export.attempt}"
        chunks = segments.read(self._storage, prefix, export.segments, StreamCipher(key), first=first)
        return Archive(export, first, chunks)

    async def for_staff(self, limit: int) -> list[Export]:
        """Return everybody's exports for operators, open ones first."""
        return await self._rows.for_staff(limit)

    async def view(self, case: UUID, actor: str) -> Export:
        """Return an export to an operator, by its id or its request's, and remember who looked.

        Raises:   ExportNotFound (404).
        """
        export = await self._require(await self._rows.by_case(case))
        await self._work.run(partial(self._record, "export.viewed", export, BY_STAFF, actor))
        return export

    async def retry(self, case: UUID, actor: str) -> Export:
        """Ask holders again for what an export waits for, and pack at once what waits to be packed.

        Raises:   ExportNotFound (404).
        Effects:  publishes export.requested where parts are missing; publishes action.recorded.
        """
        export = await self._require(await self._rows.by_case(case))
        await self._work.run(partial(self._retry, export, actor), subject=export.user_id)
        return await self.get(export.user_id, export.id)

    async def ask_anew(self, export: Export, holder: Holder) -> None:
        """Ask a holder to write a part anew that cannot be read, inside the open transaction.

        Effects:  the export waits for it; publishes export.requested and action.recorded.
        """
        await self._rows.drop_part(export, holder)
        again = ExportRequestedV1(user_id=export.user_id, export_id=export.id, anew=holder)
        await self._work.outbox.add(again)
        await self._record("export.retried", export, UNREADABLE)

    async def remove_expired(self, require: Callable[[], None] = lambda: None) -> int:
        """Remove the archives whose time is over; return how many went. What is left is for the next time.

        Args:     require: raises where another worker may be at it.
        Raises:   ClocksApart.
        """
        removed = 0
        async for export in self._rows.expired(await agreed_now(self._work.mongo)):
            require()
            removed += await self._removed(export)
        return removed

    async def measure(self) -> None:
        """Measure how many exports people wait for, and for how long."""
        oldest = await self._rows.oldest_open()
        OPEN.set(await self._rows.count_open())
        OLDEST_OPEN.set((now() - oldest).total_seconds() if oldest else 0.0)

    def home(self, export: Export) -> str:
        """Return what all objects of an export lie under, without the slash that ends it."""
        return f"{locator(self._key, export.user_id)}/{export.id}"

    async def _retry(self, export: Export, actor: str) -> None:
        if export.state is ExportState.GATHERING:
            await self._work.outbox.add(ExportRequestedV1(user_id=export.user_id, export_id=export.id))
        elif export.state is ExportState.PACKING:
            await self._rows.set_due(export, tries=0)
        await self._record("export.retried", export, BY_STAFF, actor)

    async def _removed(self, export: Export) -> bool:
        """Remove one archive; return whether it went. One that cannot be removed holds up no other."""
        try:
            await self._removals.delete_prefix(export.user_id, f"{self.home(export)}/")
            await self._work.run(partial(self._note_removed, export))
        except Exception as error:
            log.warning("export.not_removed", export=str(export.id), exc_info=error)
            return False
        REMOVED.inc()
        return True

    async def _note_removed(self, export: Export) -> None:
        await self._rows.set(export, state=ExportState.REMOVED.value, sealed_key=None)
        await self._record("export.removed", export, RETENTION_OVER)

    async def _record(self, action: str, export: Export, ground: str, actor: str = SYSTEM) -> None:
        await self._audit.record(
            action, ground=ground, actor=actor, subject=export.user_id, target=str(export.id)
        )

    @staticmethod
    def _is_over(export: Export) -> bool:
        return export.expires_at is not None and export.expires_at <= now()

    @staticmethod
    async def _require(export: Export | None) -> Export:
        if export is None:
            raise ExportNotFound
        return export
