"""Privacy: what people, operators, holders and time tell of erasure cases, and what each may see."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import SecretStr

from libs.common import case_token
from libs.common.audit import Audit
from libs.common.clock import now
from libs.common.clock_guard import agreed_now
from libs.common.events.auth import UserDeletedV1
from libs.common.events.privacy import (
    ErasureCompletedV1,
    HoldingErasure,
    InventoryCompletedV1,
)
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.privacy.auditing.checkpoints import Checkpoints
from services.privacy.auditing.ledger import AuditLedger
from services.privacy.backups import Backups
from services.privacy.casework import Casework
from services.privacy.certificates import Certificates
from services.privacy.errors import CaseNotFound
from services.privacy.exports.service import Exports
from services.privacy.history import History
from services.privacy.holds.models import Hold
from services.privacy.holds.orders import HoldOrders
from services.privacy.metrics import HOLDER_ACKED, VERIFIED_SECONDS
from services.privacy.models import Case, Certificate
from services.privacy.policies.publishing import Policies
from services.privacy.progress import Outcome
from services.privacy.protocol import (
    ErasureCompleted,
    InventoryCompleted,
    Resend,
    RetainedLooked,
    ScanFinished,
    UserDeleted,
)
from services.privacy.repository import CaseRepository, OpenCases
from services.privacy.requests.requests import Requests
from services.privacy.scanner import ScanReport
from services.privacy.vault import Rotation

HANDING_OVER = timedelta(minutes=10)
"""How long a hold that has ended is still a reason for its holder not to have erased yet."""

BY_STAFF = "by-staff"

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
        casework: Casework,
        holds: HoldOrders,
        exports: Exports,
        requests: Requests,
        token_key: SecretStr,
    ) -> None:
        self._work, self._audit, self._cases, self.certificates = work, audit, cases, certificates
        self.ledger, self.checkpoints, self.history, self.vault = ledger, checkpoints, history, vault
        self.backups = backups
        self.policies, self.exports, self.requests = policies, exports, requests
        self.casework, self.holds, self._token_key = casework, holds, token_key

    async def open(self, event: UserDeletedV1) -> None:
        """Open the case of a person who deleted their account; a second time changes nothing."""
        case = await self.casework.case_of(event.case_id, event.user_id)
        if await self.casework.take(case, UserDeleted(now(), event.deleted_at)):
            await self.casework.record("erasure.opened", case, "account-deleted")

    async def note_inventory(self, event: InventoryCompletedV1) -> None:
        """Take in what a holder found."""
        case = await self.casework.case_of(event.case_id, event.user_id)
        if case.open:
            places = {held.locator for held in event.holdings if held.locator}
            case.locators = sorted({*case.locators, *places})
        found = {held.holding: held.found for held in event.holdings}
        await self.casework.take(case, InventoryCompleted(now(), event.holder, found))

    async def note_erasure(self, event: ErasureCompletedV1) -> None:
        """Take in what became of what a holder had."""
        case = await self.casework.case_of(event.case_id, event.user_id)
        standing = await self._reasons(event)
        outcomes = {held.holding: _outcome(held, standing) for held in event.holdings}
        if await self.casework.take(case, ErasureCompleted(now(), event.holder, event.attempt, outcomes)):
            HOLDER_ACKED.labels(event.holder).inc()

    async def tick_due(self) -> int:
        """End the holds that are over, and tell the cases that are due; return how many holds and cases that moved.

        One that fails is told again in the next round, and holds up no other in this one.

        Raises:   ClocksApart: a hold that ends early keeps nothing more. What is heard goes on meanwhile.
        """
        moment = await agreed_now(self._work.mongo)
        moved = await self.holds.effects.end_due(moment)
        async for case_id in self._cases.due(moment):
            try:
                moved += await self.casework.tick(case_id, moment)
            except Exception as error:
                log.warning("case.not_ticked", case_id=str(case_id), exc_info=error)
        return moved

    async def resend(self, case_id: UUID, actor: str) -> Case:
        """Try again now, for an operator.

        Raises:   CaseNotFound (404).
        """

        async def write() -> Case:
            case = await self.casework.feed(case_id, lambda: Resend(now()))
            await self.casework.record("erasure.resent", case, BY_STAFF, actor)
            return case

        return await self._work.run(write)

    async def finish_scan(self, case_id: UUID, run: int, report: ScanReport) -> Case:
        """Take in a scan's report; issue the certificate where it proves the erasure."""
        case = await self.casework.feed(case_id, lambda: ScanFinished(now(), run, report.total), report)
        if case.saga.verified_at and case.saga.deleted_at and case.saga.run == run:
            VERIFIED_SECONDS.observe((case.saga.verified_at - case.saga.deleted_at).total_seconds())
        return case

    async def note_retained(self, case_id: UUID, moment: datetime, gone: tuple[str, ...]) -> Case:
        """Take in of which holdings nothing is left that the law had kept; amend the certificate by them."""
        return await self.casework.feed(case_id, lambda: RetainedLooked(moment, gone))

    async def items_of(self, case: Case) -> list[Hold]:
        """Return the holds on items that a case had, or has, to wait for."""
        return await self.holds.rows.among(case.saga.waited)

    async def case(self, case_id: UUID) -> Case:
        """Return a case. Raises CaseNotFound (404)."""
        return await self.casework.case(case_id)

    async def view(self, case_id: UUID, actor: str) -> Case:
        """Return a case to an operator, and remember who looked. Raises CaseNotFound (404)."""

        async def read() -> Case:
            case = await self.case(case_id)
            await self.casework.record("case.viewed", case, BY_STAFF, actor)
            return case

        return await self._work.run(read)

    async def export_certificates(self, after: int, limit: int, actor: str) -> list[Certificate]:
        """Return certificates to an operator, in the order of the chain.

        Args:     after: the number of the certificate behind which to go on, 0 for all.
        Effects:  audit: certificates.exported, with how many.
        """

        async def read() -> list[Certificate]:
            rows = await self.certificates.page(after, limit)
            await self._audit.record("certificates.exported", ground=BY_STAFF, actor=actor, count=len(rows))
            return rows

        return await self._work.run(read)

    async def take_certificates(self, case_id: UUID, actor: str) -> list[Certificate]:
        """Return a case's certificate and what amends it to an operator.

        Raises:   CaseNotFound (404).
        Effects:  audit: certificates.exported, with how many.
        """

        async def read() -> list[Certificate]:
            case = await self.case(case_id)
            rows = await self.certificates.all_of_case(case.id)
            await self._audit.record(
                "certificates.exported", ground=BY_STAFF, actor=actor, target=str(case.id), count=len(rows)
            )
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

    async def _reasons(self, event: ErasureCompletedV1) -> frozenset[str]:
        """Return the holds that a holder names, and that are a reason: on its own items, and not long over."""
        named = {str(hold) for held in event.holdings for hold in held.holds}
        over = now() - HANDING_OVER
        return frozenset(
            str(hold.id)
            for hold in await self.holds.rows.among(named)
            if (hold.holding or "").startswith(f"{event.holder}.")
            and (hold.open or (hold.ended_at is not None and hold.ended_at > over))
        )


def _outcome(held: HoldingErasure, standing: frozenset[str]) -> Outcome:
    """Return what a holder says. What it says is held is not explained by a hold that nobody knows."""
    holds = tuple(sorted(standing & {str(hold) for hold in held.holds}))
    return Outcome(
        erased=held.erased,
        retained=held.retained,
        ground=held.ground,
        retained_until=held.retained_until.isoformat() if held.retained_until else None,
        already_gone=held.already_gone,
        proofs=tuple((proof.reference, proof.at.isoformat()) for proof in held.proofs),
        held=held.held if holds else 0,
        holds=holds,
    )
