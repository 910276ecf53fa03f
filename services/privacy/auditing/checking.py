"""The ledger checks itself, so that tampering is heard of before an auditor comes."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

from libs.common.audit_ledger import Checkpoint
from libs.common.audit_verify import Fault, LedgerCheck, Report
from libs.common.clock import now
from libs.common.logging import logger
from libs.common.signing import read_object
from services.privacy.auditing.checkpoints import Checkpoints
from services.privacy.auditing.ledger import iso
from services.privacy.auditing.models import AuditEntry, AuditHead
from services.privacy.auditing.rows import AuditRows, chain_of
from services.privacy.metrics import AUDIT_BROKEN, AUDIT_CHECK_SECONDS, AUDIT_ENTRIES, AUDIT_VERIFIED

AT_ONCE = 500

log = logger("privacy.audit")


class Checking:
    """Reads the whole ledger against its chains, its heads and its checkpoints. Every worker may; it harms nobody."""

    def __init__(self, rows: AuditRows, checkpoints: Checkpoints, *, every_s: float) -> None:
        self._rows, self._checkpoints, self._every_s = rows, checkpoints, every_s

    async def run(self) -> None:
        """Check now and then, for as long as the process lives."""
        while True:
            await self.check()
            await asyncio.sleep(self._every_s)

    async def check(self) -> Report:
        """Check all that is there now; say what is broken in the log and the metrics."""
        started, began = perf_counter(), now()
        checkpoints, forged = await self._checkpoints.read_all()
        names = await self._rows.streams()  # first: a stream that begins in between has its head by then
        heads = {head.id: head for head in await self._rows.heads()}
        ends = tuple(chain_of(head).head(name) for name, head in heads.items())
        looked = LedgerCheck([*checkpoints, Checkpoint(f"{iso(began)} (its head)", ends)])
        for name in sorted({*heads, *names}):
            await self._check_stream(looked, name, heads.get(name))
        found = looked.report()
        faults = [
            *(Fault("checkpoint", number, what) for number, what in enumerate(forged, start=1)),
            *found.faults,
        ]
        report = Report(found.entries, tuple(faults))
        self._tell(report, perf_counter() - started)
        return report

    async def _check_stream(self, looked: LedgerCheck, name: str, head: AuditHead | None) -> None:
        batch: list[AuditEntry] = []
        async for row in self._rows.stream(name, head.sequence if head else None):
            batch.append(row)
            if len(batch) == AT_ONCE:
                await asyncio.to_thread(_take, looked, batch)
                batch = []
        await asyncio.to_thread(_take, looked, batch)
        if head is None:
            looked.stream(name).blame(1, "the head of its stream is gone")

    def _tell(self, report: Report, seconds: float) -> None:
        AUDIT_CHECK_SECONDS.labels("held" if report.holds else "broken").observe(seconds)
        AUDIT_BROKEN.set(len({fault.stream for fault in report.faults}))
        for stream, count in report.entries.items():
            AUDIT_ENTRIES.labels(stream).set(count)
        if report.holds:
            AUDIT_VERIFIED.set(now().timestamp())
        for fault in report.faults:
            log.error("audit.broken", stream=fault.stream, sequence=fault.sequence, what=fault.what)


def _take(looked: LedgerCheck, rows: Sequence[AuditEntry]) -> None:
    """Look at rows: first whether each says what its bytes say, then at the bytes."""
    for row in rows:
        body = read_object(row.entry)
        if body is None or _told(row) != {name: body.get(name) for name in _told(row)}:
            looked.stream(row.stream).blame(row.sequence, "its row does not say what its bytes say")
        if body is not None:
            looked.stream(row.stream).take(row.entry, body)


def _told(row: AuditEntry) -> dict[str, object]:
    """Return what a row repeats of its entry."""
    names = ("stream", "sequence", "action", "actor", "subject")
    return {**{name: getattr(row, name) for name in names}, "at": iso(row.at)}
