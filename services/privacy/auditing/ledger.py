"""The ledger: what was done is appended, read and given out; nothing changes it."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from libs.common.audit import Audit
from libs.common.audit_ledger import Chain
from libs.common.clock import new_id, now
from libs.common.events.privacy import ActionRecordedV1
from libs.common.work import UnitOfWork
from services.privacy.auditing.models import AuditEntry
from services.privacy.auditing.rows import AuditRows, Wanted
from services.privacy.subjects import Subjects

BY_STAFF = "by-staff"


class AuditLedger:
    """One chain of entries for each service."""

    def __init__(self, rows: AuditRows, work: UnitOfWork, audit: Audit, subjects: Subjects) -> None:
        self._rows, self._work, self._audit, self._subjects = rows, work, audit, subjects

    async def append(self, events: Sequence[ActionRecordedV1]) -> None:
        """Append what services did, each to its own stream, in the open transaction.

        Effects:  locks the head of each stream until the transaction ends; an aborted one leaves no gap.
        """
        recorded_at = now()
        for stream, told in groupby(sorted(events, key=_stream), key=_stream):
            chain = await self._rows.lock(stream)
            entries = [self._entry(chain, event, recorded_at) for event in told]
            await self._rows.append(stream, entries, chain)

    async def page(
        self, wanted: Wanted, cursor: str | None, limit: int, *, subject: UUID | None, actor: str
    ) -> list[AuditEntry]:
        """Return entries to an operator, the latest first.

        Args:     subject: the person that entries are wanted about, None for anybody.
        Effects:  audit: audit.read, where it is about a person.
        """
        if subject is None:
            return await self._rows.page(wanted, cursor, limit)

        async def read() -> list[AuditEntry]:
            await self._audit.record("audit.read", ground=BY_STAFF, actor=actor, subject=subject)
            return await self._rows.page(wanted, cursor, limit)

        return await self._work.run(read)

    async def export(self, stream: str, sequence: int, limit: int, *, actor: str) -> list[AuditEntry]:
        """Return entries to an operator stream by stream.

        Args:     stream, sequence: the entry behind which to go on; an empty stream begins an export.
        Effects:  audit: audit.exported, at the beginning.
        """
        if not stream:
            await self._work.run(lambda: self._audit.record("audit.exported", ground=BY_STAFF, actor=actor))
        return await self._rows.after(stream, sequence, limit)

    def pseudonym(self, subject: UUID) -> str:
        """Return what stands for a person in entries."""
        return self._subjects.pseudonym(subject)

    def _entry(self, chain: Chain, event: ActionRecordedV1, recorded_at: datetime) -> AuditEntry:
        subject = None if event.user_id is None else self.pseudonym(event.user_id)
        facts = {
            "action": event.action,
            "actor": event.actor,
            "ground": event.ground,
            "subject": subject,
            "target": event.target,
            "count": event.count,
            "at": iso(event.at),
            "recorded_at": iso(recorded_at),
        }
        entry = chain.append(event.stream, facts)
        return AuditEntry(
            id=new_id(),
            stream=event.stream,
            sequence=chain.sequence,
            hash=chain.hash,
            entry=entry,
            action=event.action,
            actor=event.actor,
            subject=subject,
            at=event.at,
        )


def iso(moment: datetime) -> str:
    """Return a moment as entries and checkpoints write it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stream(event: ActionRecordedV1) -> str:
    return event.stream
