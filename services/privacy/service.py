"""Erasure cases: loads one, feeds the saga, and does what it asks for, all in one transaction."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import SecretStr

from libs.common import case_token
from libs.common.clock import now
from libs.common.events import Event
from libs.common.events.auth import UserDeletedV1
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    ErasureVerifiedV1,
    HoldingErasure,
    InventoryCompletedV1,
    InventoryRequestedV1,
)
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.privacy import proof, saga, timeline
from services.privacy.certificates import Certificates
from services.privacy.errors import CaseNotFound
from services.privacy.metrics import ALERTS, HOLDER_ACKED, VERIFIED_SECONDS
from services.privacy.models import Case
from services.privacy.progress import Outcome
from services.privacy.protocol import (
    Alert,
    Command,
    ErasureCompleted,
    Input,
    InventoryCompleted,
    IssueCertificate,
    Phase,
    Policy,
    PublishErasureRequested,
    PublishInventoryRequested,
    PublishVerified,
    Resend,
    ScanFinished,
    StartScan,
    Tick,
    UserDeleted,
)
from services.privacy.repository import CaseRepository
from services.privacy.scanner import ScanReport
from services.privacy.subjects import Subjects

DUE_AT_ONCE = 100
LONGEST_MONTH = timedelta(days=31)

log = logger("privacy")


class PrivacyService:
    """Everything that happens to a case goes through here."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        cases: CaseRepository,
        certificates: Certificates,
        subjects: Subjects,
        token_key: SecretStr,
        policy: Policy,
    ) -> None:
        self._work, self._cases, self.certificates = work, cases, certificates
        self._subjects, self._token_key, self._policy = subjects, token_key, policy

    async def open(self, event: UserDeletedV1) -> None:
        """Open the case of a person who deleted their account; a second time changes nothing."""
        case = await self._case_of(event.case_id, event.user_id)
        await self._take(case, UserDeleted(now(), event.deleted_at))

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

    async def resend(self, case_id: UUID) -> Case:
        """Try again now, for an operator.

        Raises:   CaseNotFound (404).
        """
        return await self._feed(case_id, lambda: Resend(now()))

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
            saga=saga.Saga(),
            phase_since=at,
            due_at=at + LONGEST_MONTH,
        )
        await self._cases.add(case)
        return case

    async def _feed(
        self, case_id: UUID, happened: Callable[[], Input], report: ScanReport | None = None
    ) -> Case:
        """Give a case something in a transaction of its own."""

        async def write() -> Case:
            case = await self.case(case_id)
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
        _repeat(case, happened.at, self._policy)
        if commands:
            await self._carry_out(case, commands, report)
        await self._cases.save(case)
        return True

    async def _carry_out(self, case: Case, commands: Iterable[Command], report: ScanReport | None) -> None:
        """Do what the saga asks for; events leave in one write."""
        user_id, _ = self.subject_of(case)
        events: list[Event] = []
        for command in commands:
            match command:
                case PublishInventoryRequested():
                    events.append(InventoryRequestedV1(user_id=user_id, case_id=case.id))
                case PublishErasureRequested(attempt):
                    events.append(ErasureRequestedV1(user_id=user_id, case_id=case.id, attempt=attempt))
                case StartScan():
                    case.claim, case.claimed_until = None, None  # free for any worker, at once
                case IssueCertificate():
                    case.certificate = await self._certify(case, report)
                case PublishVerified():
                    events.append(_verified(case, user_id))
                    case.sealed_subject, case.locators = None, []
                case Alert(reason):
                    ALERTS.labels(reason.value).inc()
                    log.error("erasure.attention", case_id=str(case.id), reason=reason.value)
        await self._work.outbox.add(*events)

    async def _certify(self, case: Case, report: ScanReport | None) -> int:
        if report is None:
            raise TypeError("a certificate needs the scan that proves it")
        return await self.certificates.issue(case.id, proof.facts(case, report), now())


def _verified(case: Case, user_id: UUID) -> ErasureVerifiedV1:
    if case.certificate is None:
        raise TypeError("VERIFIED is announced with its certificate")
    return ErasureVerifiedV1(user_id=user_id, case_id=case.id, certificate_sequence=case.certificate)


def _repeat(case: Case, at: datetime, policy: Policy) -> None:
    """Repeat on the row what the saga knows and the indexes need."""
    known = case.saga
    if case.phase is not known.phase:
        case.phase, case.phase_since = known.phase, at
    case.open = known.phase is not Phase.VERIFIED
    case.due_at = known.due_at or case.due_at
    case.wake_at = saga.wake_at(known, policy)


def _outcome(held: HoldingErasure) -> Outcome:
    until = held.retained_until.isoformat() if held.retained_until else None
    return Outcome(held.erased, held.retained, held.ground, until, held.already_gone)
