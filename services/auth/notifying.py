"""Telling everybody of a significant change, once each, at the mail server's pace, also after a kill."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from libs.common.bus.lease import Lease
from libs.common.clock import now
from libs.common.events.auth import MailRequestedV2
from libs.common.logging import logger
from libs.common.work import UnitOfWork
from services.auth.agreement_models import AcceptedDocument, NoticeRun
from services.auth.agreements import Agreements, Due
from services.auth.mails import Kind
from services.auth.metrics import POLICY_NOTICES
from services.auth.repository import Store

LOOK_EVERY_S = 1.0
BATCH_EVERY_S = 1.0
LEASE_S = 10.0

log = logger("auth")


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is, for operators."""

    run: NoticeRun
    mailed: int
    acknowledged: int


class Notifying:
    """Walks through the accounts in the order of their ids.

    Where the walk is, who was told and the mails that are due are one transaction, which moves the position only
    from where it was read: two processes that both believe to have the lease tell nobody twice. Mails leave the
    queue of all mails as fast as they come into it, so that nobody's verification waits behind a million notices.

    Args:     mails_per_s: so many people are told in a second, at most; pause: waits for some seconds.
    """

    def __init__(
        self,
        store: Store,
        work: UnitOfWork,
        agreements: Agreements,
        lease: Lease,
        *,
        mails_per_s: float,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store, self._work, self._agreements = store, work, agreements
        self._lease, self._pause = lease, pause
        self._at_once = max(1, round(mails_per_s * BATCH_EVERY_S))
        self._pause_s = self._at_once / mails_per_s

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if await self._store.notice_runs.unfinished():
                async with self._lease.held():
                    await self.tell_all()
            await asyncio.sleep(LOOK_EVERY_S)

    async def tell_all(self) -> None:
        """Tell of what is to be told, until all runs have come to their end or the lease is lost."""
        while self._lease.valid and (run := await self._store.notice_runs.unfinished()):
            if await self.tell_some(run):
                await self._pause(self._pause_s)
            else:
                log.info("policy.everybody_told", version=run.id, told=run.told)

    async def tell_some(self, run: NoticeRun) -> int:
        """Tell the next people of a run; return how many accounts were looked at, 0 at the end.

        Not told: who has accepted the version or was told of it already, and who is being erased.

        Effects:  notices; mail.requested for each; the run's position.
        """
        people = await self._store.notice_runs.next_people(run, self._at_once)
        if not people:
            await self._store.notice_runs.finish(run, now())
            return 0
        told = await self._work.run_for(people, lambda there: self._tell_some(run, people[-1], there))
        POLICY_NOTICES.labels(run.document).inc(told)
        return len(people)

    async def states(self) -> list[RunState]:
        """Return how far all runs are, the latest first."""
        runs = await self._store.notice_runs.all()
        return [RunState(run, **await self._store.notices.counts(run)) for run in runs]

    async def tell_missed(self, user_id: UUID) -> None:
        """Tell a person, in an open transaction, of what was told to everybody while they could not use the account.

        Effects:  a notice and mail.requested for each version that they have to accept anew.
        """
        for due in await self._agreements.due(user_id):
            await self._tell(due.document, due.version, await self._ignorant([user_id], due))

    async def _tell_some(self, run: NoticeRun, last: UUID, people: list[UUID]) -> int:
        told = await self._ignorant(people, Due(run.document, run.version))
        if not await self._store.notice_runs.advance(run, last, len(told)):
            return 0  # another process was faster with these
        await self._tell(run.document, run.version, told)
        return len(told)

    async def _ignorant(self, people: list[UUID], due: Due) -> list[UUID]:
        """Return those people who have neither accepted a version nor been told of it."""
        know = await self._store.acceptances.among(people, due.document, due.version)
        know |= await self._store.notices.among(people, due.document, due.version)
        return [each for each in people if each not in know]

    async def _tell(self, document: AcceptedDocument, version: str, people: list[UUID]) -> None:
        await self._store.notices.add(people, document, version, now())
        await self._work.outbox.add(*(_mail(document, version, each) for each in people))


def _mail(document: AcceptedDocument, version: str, user_id: UUID) -> MailRequestedV2:
    kind = Kind.POLICY_CHANGED if document == "policy" else Kind.TERMS_CHANGED
    return MailRequestedV2(user_id=user_id, kind=kind, document_version=version)
