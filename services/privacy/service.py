"""Erasure cases: loads one, feeds the saga, and does what it asks for, all in one transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import SecretStr

from libs.common import case_token
from libs.common.audit import SYSTEM, Audit
from libs.common.clock import now
from libs.common.events.auth import UserDeletedV1
from libs.common.events.privacy import (
    ErasureCompletedV1,
    HoldingErasure,
    InventoryCompletedV1,
)
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.privacy import holds, proof, saga, timeline
from services.privacy.announcing import event_of
from services.privacy.auditing.checkpoints import Checkpoints
from services.privacy.auditing.ledger import AuditLedger
from services.privacy.backups import Backups
from services.privacy.certificates import Certificates
from services.privacy.errors import CaseNotFound
from services.privacy.history import History
from services.privacy.metrics import ALERTS, HOLDER_ACKED, VERIFIED_SECONDS
from services.privacy.models import Case, Certificate
from services.privacy.policies.publishing import Policies
from services.privacy.progress import Outcome
from services.privacy.protocol import (
    Alert,
    Command,
    ErasureCompleted,
    Input,
    InventoryCompleted,
    IssueCertificate,
    PlaceHold,
    Policy,
    PublishVerified,
    Record,
    ReleaseHold,
    Resend,
    ScanFinished,
    StartScan,
    Tick,
    UserDeleted,
)
from services.privacy.repository import CaseRepository, OpenCases
from services.privacy.scanner import ScanReport
from services.privacy.state import Saga
from services.privacy.subjects import Subjects
from services.privacy.vault import Rotation

DUE_AT_ONCE = 100
LONGEST_MONTH = timedelta(days=31)

BY_STAFF = "by-staff"
SCAN_FOUND_NOTHING = "scan-found-nothing"

log = logger("privacy")


class PrivacyService:
    """Everything that happens to a case goes through here."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        audit: Audit,
        cases: CaseRepository,
        certificates: Certificates,
        ledger: AuditLedger,
        checkpoints: Checkpoints,
        history: History,
        vault: Rotation,
        backups: Backups,
        policies: Policies,
        subjects: Subjects,
        token_key: SecretStr,
        policy: Policy,
    ) -> None:
        self._work, self._audit, self._cases, self.certificates = work, audit, cases, certificates
        self.ledger, self.checkpoints, self.history, self.vault = ledger, checkpoints, history, vault
        self.backups = backups
        self.policies = policies
        self._subjects, self._token_key, self._policy = subjects, token_key, policy

    async def open(self, event: UserDeletedV1) -> None:
        """Open the case of a person who deleted their account; a second time changes nothing."""
        case = await self._case_of(event.case_id, event.user_id)
        if await self._take(case, UserDeleted(now(), event.deleted_at)):
            await self._record("erasure.opened", case, "account-deleted")

    async def note_inventory(self, event: InventoryCompletedV1) -> None:
        """Take in what a holder found."""
        case = await self._case_of(event.case_id, event.user_id)
        if case.open:
            places = {held.locator for held in event.holdings if held.locator}
            case.locators = sorted({*case.locators, *places})
        found = {held.holding: held.found for held in event.holdings}
        await self._take(case, InventoryCompleted(now(), event.holder, found))

    async def note_erasure(self, event: ErasureCompletedV1) -> None:
        """Take in what became of what a holder had."""
        case = await self._case_of(event.case_id, event.user_id)
        outcomes = {held.holding: _outcome(held) for held in event.holdings}
        if await self._take(case, ErasureCompleted(now(), event.holder, event.attempt, outcomes)):
            HOLDER_ACKED.labels(event.holder).inc()

    async def tick_due(self) -> int:
        """Tell the cases that are due that time has passed; return how many there were."""
        due = await self._cases.due(now(), DUE_AT_ONCE)
        for case_id in due:
            try:
                await self._feed(case_id, lambda: Tick(now()))
            except Exception as error:
                log.warning("case.not_ticked", case_id=str(case_id), exc_info=error)
        return len(due)

    async def resend(self, case_id: UUID, actor: str) -> Case:
        """Try again now, for an operator.

        Raises:   CaseNotFound (404).
        """

        async def write() -> Case:
            case = await self._feed(case_id, lambda: Resend(now()))
            await self._record("erasure.resent", case, BY_STAFF, actor)
            return case

        return await self._work.run(write)

    async def hold(self, case_id: UUID, until: datetime, ground: str, actor: str) -> Case:
        """Have nothing erased until a date, for an operator; in place of the hold there was.

        Raises:   CaseNotFound (404); HoldTooLate (409): the holders were asked to erase; HoldUnfit (422).
        """
        holds.require_end(until, self._policy)
        return await self._feed(
            case_id, lambda: PlaceHold(now(), until, ground, actor), admit=holds.require_holdable
        )

    async def release(self, case_id: UUID, actor: str) -> Case:
        """Let a held erasure go on, for an operator.

        Raises:   CaseNotFound (404); NotHeld (409).
        """
        return await self._feed(case_id, lambda: ReleaseHold(now(), actor), admit=holds.require_held)

    async def finish_scan(self, case_id: UUID, run: int, report: ScanReport) -> Case:
        """Take in a scan's report; issue the certificate where it proves the erasure."""
        case = await self._feed(case_id, lambda: ScanFinished(now(), run, report.total), report)
        if case.saga.verified_at and case.saga.deleted_at and case.saga.run == run:
            VERIFIED_SECONDS.observe((case.saga.verified_at - case.saga.deleted_at).total_seconds())
        return case

    async def case(self, case_id: UUID) -> Case:
        """Return a case. Raises CaseNotFound (404)."""
        case = await self._cases.get(case_id)
        if case is None:
            raise CaseNotFound
        return case

    async def view(self, case_id: UUID, actor: str) -> Case:
        """Return a case to an operator, and remember who looked. Raises CaseNotFound (404)."""

        async def read() -> Case:
            case = await self.case(case_id)
            await self._record("case.viewed", case, BY_STAFF, actor)
            return case

        return await self._work.run(read)

    async def export_certificates(self, after: int, limit: int, actor: str) -> list[Certificate]:
        """Return certificates to an operator, in the order of the chain, and remember who took them."""

        async def read() -> list[Certificate]:
            rows = await self.certificates.page(after, limit)
            await self._audit.record("certificates.exported", ground=BY_STAFF, actor=actor, count=len(rows))
            return rows

        return await self._work.run(read)

    async def case_for(self, case_id: UUID, token: str) -> Case:
        """Return a case to whoever has its token. Raises CaseNotFound (404): a wrong token looks like no case."""
        try:
            entitled = case_token.verify(self._token_key, token)
        except case_token.CaseTokenInvalid as error:
            raise CaseNotFound from error
        if entitled != case_id:
            raise CaseNotFound
        return await self.case(case_id)

    async def cases(self, after: tuple[bool, datetime, UUID] | None, limit: int) -> list[Case]:
        """Return cases for operators, open ones first by due date."""
        return await self._cases.page(after, limit)

    async def open_cases(self) -> list[OpenCases]:
        """Return how the open cases stand, for each step."""
        return await self._cases.open_by_phase()

    def subject_of(self, case: Case) -> tuple[UUID, list[str]]:
        """Return who an open case is about, and the prefixes of their objects.

        Raises:   CaseNotFound: the case is VERIFIED and does not know any more.
        """
        if case.sealed_subject is None:
            raise CaseNotFound
        user_id = self._subjects.open(case.sealed_subject, case.id)
        return user_id, sorted({*case.locators, self._subjects.locator(user_id)})

    async def _case_of(self, case_id: UUID, user_id: UUID) -> Case:
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

    async def _feed(
        self,
        case_id: UUID,
        happened: Callable[[], Input],
        report: ScanReport | None = None,
        admit: Callable[[Case], None] | None = None,
    ) -> Case:
        """Give a case something in a transaction of its own. Args: admit: raises where the case is not fit for it."""

        async def write() -> Case:
            case = await self.case(case_id)
            if admit:
                admit(case)
            await self._take(case, happened(), report)
            return case

        return await self._work.run(write)

    async def _take(self, case: Case, happened: Input, report: ScanReport | None = None) -> bool:
        """Move a case inside the open transaction; tell whether anything changed."""
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
        """Do what the saga asks for; events leave in one write."""
        user_id, _ = self.subject_of(case)
        for command in commands:
            match command:
                case StartScan():
                    case.claim, case.claimed_until = None, None  # free for any worker, at once
                case IssueCertificate():
                    case.certificate = await self._certify(case, report)
                    await self._record("certificate.issued", case, SCAN_FOUND_NOTHING)
                case PublishVerified():
                    await self._record("erasure.verified", case, SCAN_FOUND_NOTHING)
                    case.sealed_subject, case.locators = None, []
                case Alert(reason):
                    ALERTS.labels(reason.value).inc()
                    log.error("erasure.attention", case_id=str(case.id), reason=reason.value)
                case Record(action, ground, actor):
                    await self._audit.record(
                        action, ground=ground, actor=actor or SYSTEM, subject=user_id, target=str(case.id)
                    )
        events = [event_of(command, case, user_id) for command in commands]
        await self._work.outbox.add(*filter(None, events))

    async def _record(self, action: str, case: Case, ground: str, actor: str = SYSTEM) -> None:
        """Tell the audit what was done to a case, and about whom while the case knows."""
        subject = self.subject_of(case)[0] if case.sealed_subject else None
        await self._audit.record(action, ground=ground, actor=actor, subject=subject, target=str(case.id))

    async def _certify(self, case: Case, report: ScanReport | None) -> int:
        if report is None:
            raise TypeError("a certificate needs the scan that proves it")
        return await self.certificates.issue(case.id, proof.facts(case, report), now())


def _outcome(held: HoldingErasure) -> Outcome:
    until = held.retained_until.isoformat() if held.retained_until else None
    proofs = tuple((proof.reference, proof.at.isoformat()) for proof in held.proofs)
    return Outcome(held.erased, held.retained, held.ground, until, held.already_gone, proofs)
