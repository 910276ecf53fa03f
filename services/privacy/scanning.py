"""Runs the scans that cases wait for, at once, and goes on with those whose process died."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from libs.common.clock import new_id
from libs.common.errors import Unavailable
from libs.common.logging import logger
from libs.common.mongo import PASSING_ERRORS
from services.privacy.metrics import SCAN_FINDINGS, SCAN_SECONDS
from services.privacy.models import Case
from services.privacy.repository import CaseRepository
from services.privacy.scanner import ScanReport, Scans
from services.privacy.service import PrivacyService

AT_ONCE = 4
LOOK_EVERY_S = 1.0
AFTER_FAILURE = timedelta(seconds=2)
OUTAGES: tuple[type[Exception], ...] = (*PASSING_ERRORS, Unavailable)

log = logger("privacy.scanning")


class Scanning:
    """The worker side of a scan: claim, scan, report.

    A claim is a lease: it is prolonged while its scan runs, and lapses when its process dies.
    """

    def __init__(
        self, cases: CaseRepository, service: PrivacyService, scanner: Scans, *, lease_s: float
    ) -> None:
        self._cases, self._service, self._scanner = cases, service, scanner
        self._lease = timedelta(seconds=lease_s)
        self._claim = new_id()
        self._wake = asyncio.Event()

    async def follow(self) -> None:
        """Wake as soon as a case is committed that wants a scan, whichever process committed it."""
        async with self._cases.changes() as changes:
            self._wake.set()
            async for _ in changes:
                self._wake.set()

    async def run(self) -> None:
        """Scan what waits, for as long as the process lives; look by itself too, in case nothing woke it."""
        async with asyncio.TaskGroup() as scans:
            room = asyncio.Semaphore(AT_ONCE)  # of this run: a run that was cut short leaves no place taken
            while True:
                self._wake.clear()
                await room.acquire()
                if case := await self._cases.claim_scan(self._claim, self._lease):
                    scans.create_task(self._scan(case)).add_done_callback(lambda _: room.release())
                    continue
                room.release()
                await self._sleep()

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _scan(self, case: Case) -> None:
        """Scan one case. What fails is logged and tried again soon, by whoever comes first; other scans go on."""
        keeping = asyncio.create_task(self._keep(case.id))
        try:
            report = await self._timed(case)
            await self._service.finish_scan(case.id, case.saga.run, report)
        except Exception as error:
            log.warning("scan.failed", case_id=str(case.id), run=case.saga.run, exc_info=error)
            with suppress(*OUTAGES):  # the claim ends by itself
                await self._cases.prolong(case.id, self._claim, AFTER_FAILURE)
        finally:
            keeping.cancel()

    async def _timed(self, case: Case) -> ScanReport:
        user_id, locators = self._service.casework.subject_of(case)
        outcome, started = "failed", asyncio.get_running_loop().time()
        try:
            report = await self._scanner.scan(user_id, locators)
            outcome = "found" if report.findings else "clean"
        finally:
            SCAN_SECONDS.labels(outcome).observe(asyncio.get_running_loop().time() - started)
        for finding in report.findings:
            SCAN_FINDINGS.labels(finding.kind).inc()
            log.error("scan.found", case_id=str(case.id), kind=finding.kind, where=finding.where)
        return report

    async def _keep(self, case_id: UUID) -> None:
        """Prolong the claim for as long as the scan runs."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            await self._cases.prolong(case_id, self._claim, self._lease)
