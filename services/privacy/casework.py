"""Moves cases: loads one, feeds the saga, and does what it asks for, all in one transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from libs.common.audit import SYSTEM, Audit
from libs.common.clock import now
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.privacy import proof, saga, timeline
from services.privacy.announcing import event_of
from services.privacy.certificates import Certificates
from services.privacy.errors import CaseNotFound
from services.privacy.holds.rows import HoldRows
from services.privacy.metrics import ALERTS
from services.privacy.models import Case
from services.privacy.protocol import (
    Alert,
    AmendCertificate,
    Command,
    Input,
    IssueCertificate,
    PlaceHold,
    Policy,
    PublishVerified,
    Record,
    StartScan,
    Tick,
)
from services.privacy.repository import CaseRepository
from services.privacy.scanner import ScanReport
from services.privacy.state import Saga
from services.privacy.subjects import Subjects

LONGEST_MONTH = timedelta(days=31)
SCAN_FOUND_NOTHING = "scan-found-nothing"
RETENTION_OVER = "retention-over"

log = logger("privacy")


class Casework:
    """Everything that moves a case goes through here."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        audit: Audit,
        cases: CaseRepository,
        certificates: Certificates,
        holds: HoldRows,
        subjects: Subjects,
        policy: Policy,
    ) -> None:
        self._work, self._audit, self._cases, self._certificates = work, audit, cases, certificates
        self._holds, self._subjects, self._policy = holds, subjects, policy

    async def case(self, case_id: UUID) -> Case:
        """Return a case. Raises CaseNotFound (404)."""
        case = await self._cases.get(case_id)
        if case is None:
            raise CaseNotFound
        return case

    def subject_of(self, case: Case) -> tuple[UUID, list[str]]:
        """Return who an open case is about, and the prefixes of their objects.

        Raises:   CaseNotFound: the case is VERIFIED and does not know any more.
        """
        if case.sealed_subject is None:
            raise CaseNotFound
        user_id = self._subjects.open(case.sealed_subject, case.id)
        return user_id, sorted({*case.locators, self._subjects.locator(user_id)})

    async def case_of(self, case_id: UUID, user_id: UUID) -> Case:
        """Return the case, stored; an answer may be heard before the deletion that it belongs to."""
        if case := await self._cases.get(case_id):
            return case
        at = now()
        case = Case(
            id=case_id,
            created_at=at,
            subject=self._subjects.pseudonym(user_id),
            sealed_subject=self._subjects.seal(user_id, case_id),
            saga=Saga(),
            phase_since=at,
            due_at=at + LONGEST_MONTH,
        )
        await self._cases.add(case)
        return case

    async def feed(
        self,
        case_id: UUID,
        happened: Callable[[], Input],
        report: ScanReport | None = None,
        admit: Callable[[Case], None] | None = None,
    ) -> Case:
        """Give a case something, in a transaction of its own where none is open.

        Args:     admit: raises where the case is not fit for it.
        """

        async def write() -> Case:
            case = await self.case(case_id)
            if admit:
                admit(case)
            await self.take(case, happened(), report)
            return case

        return await self._work.run(write)

    async def tick(self, case_id: UUID, moment: datetime) -> bool:
        """Tell a case of the time, in a transaction of its own; tell whether it moved.

        One that was due by an earlier policy alone does not move, and learns when it is due by the present one.
        """

        async def write() -> bool:
            case = await self.case(case_id)
            if await self.take(case, Tick(moment)):
                return True
            if case.is_due(moment):  # else it would stay due, and be told without end
                case.repeat(moment, self._policy)
                await self._cases.save(case)
            return False

        return await self._work.run(write)

    async def take(self, case: Case, happened: Input, report: ScanReport | None = None) -> bool:
        """Move a case inside the open transaction; tell whether anything changed.

        A hold on the account, confirmed before there was a case, comes before anything is asked to erase. One whose
        date has come holds as well until it has ended: the clock that stamped what happened may be ahead.
        """
        inputs = [*await self._orders_before(case, happened), happened]
        return any([await self._take(case, each, report) for each in inputs])

    async def record(self, action: str, case: Case, ground: str, actor: str = SYSTEM) -> None:
        """Tell the audit what was done to a case, and about whom while the case knows."""
        subject = self.subject_of(case)[0] if case.sealed_subject else None
        await self._audit.record(action, ground=ground, actor=actor, subject=subject, target=str(case.id))

    async def _orders_before(self, case: Case, happened: Input) -> list[Input]:
        if not saga.may_hold(case.saga) or isinstance(happened, PlaceHold):
            return []
        hold = await self._holds.on_account(case.subject)
        if hold is None or (case.saga.hold and case.saga.hold.hold_id == str(hold.id)):
            return []
        order = PlaceHold(happened.at, hold.until, hold.ground, hold.confirmed_by or SYSTEM, str(hold.id))
        return [order]

    async def _take(self, case: Case, happened: Input, report: ScanReport | None) -> bool:
        before = case.saga
        case.saga, commands = saga.step(before, happened, self._policy)
        if case.saga == before and not commands:
            return False
        if report:
            case.scan = proof.summary(report) | {"places": [found.where for found in report.findings]}
        lines = timeline.entries(happened, before, case.saga, commands)
        case.timeline = timeline.shortened([*case.timeline, *lines])
        case.repeat(happened.at, self._policy)
        if commands:
            await self._carry_out(case, commands, report)
        await self._cases.save(case)
        return True

    async def _carry_out(self, case: Case, commands: Sequence[Command], report: ScanReport | None) -> None:
        """Do what the saga asks for; events leave in one write. A VERIFIED case knows its person no more."""
        user_id = self.subject_of(case)[0] if case.sealed_subject else None
        for command in commands:
            match command:
                case StartScan():
                    case.claim, case.claimed_until = None, None  # free for any worker, at once
                case Alert(reason):
                    ALERTS.labels(reason.value).inc()
                    log.error("erasure.attention", case_id=str(case.id), reason=reason.value)
                case Record(action, ground, actor):
                    await self.record(action, case, ground, actor or SYSTEM)
                case _:
                    await self._prove(case, command, report)
        events = [event_of(command, case, user_id) for command in commands] if user_id else []
        await self._work.outbox.add(*filter(None, events))

    async def _prove(self, case: Case, command: Command, report: ScanReport | None) -> None:
        match command:
            case IssueCertificate():
                case.certificate = await self._certify(case, report)
                await self.record("certificate.issued", case, SCAN_FOUND_NOTHING)
            case AmendCertificate():
                facts = proof.amendment(case, now())
                case.amendments.append(await self._certificates.amend(case.id, facts, now()))
                await self.record("certificate.amended", case, RETENTION_OVER)
            case PublishVerified():
                await self.record("erasure.verified", case, SCAN_FOUND_NOTHING)
                case.sealed_subject, case.locators = None, []

    async def _certify(self, case: Case, report: ScanReport | None) -> int:
        if report is None:
            raise TypeError("a certificate needs the scan that proves it")
        held = await self._holds.among(case.saga.waited)
        return await self._certificates.issue(case.id, proof.facts(case, report, held), now())
