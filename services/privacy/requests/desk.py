"""What staff do with requests. All of it is audited, in the transaction that does it."""

from collections.abc import Awaitable, Callable
from typing import Literal
from uuid import UUID

from libs.common.audit import Audit
from libs.common.clock import now
from libs.common.events.privacy import MinorConfirmedV1, RequestFulfilledV1
from libs.common.mailing.request_news import News
from libs.common.work import UnitOfWork
from services.privacy.requests import state
from services.privacy.requests.accepting import Accepting
from services.privacy.requests.intake import require_short, written
from services.privacy.requests.models import PersonRequest, RequestMessage, State
from services.privacy.requests.rows import PersonRequests, RequestMessages
from services.privacy.requests.telling import Telling

BY_STAFF = "by-staff"
Ending = Literal["answered", "refused"]
Ground = Literal["documents-checked", "power-of-attorney", "legal-guardian", "authority"]
"""How staff made sure for whom somebody asks; the documents themselves are not kept."""


class RequestDesk:
    """Shows requests to operators, and carries out their orders."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        audit: Audit,
        requests: PersonRequests,
        messages: RequestMessages,
        accepting: Accepting,
        telling: Telling,
    ) -> None:
        self._work, self._audit, self.requests, self._messages = work, audit, requests, messages
        self._accepting, self._telling = accepting, telling

    async def read(self, request_id: UUID, actor: str) -> tuple[PersonRequest, list[RequestMessage]]:
        """Return a request and what was written in it.

        Raises:   RequestNotFound (404).
        Effects:  request.viewed, in the audit ledger.
        """
        case = await self.requests.get(request_id)
        await self._work.run(lambda: self._record("request.viewed", case, actor, BY_STAFF))
        return case, await self._messages.of(case.id)

    async def answer(
        self, request_id: UUID, text: str, actor: str, *, ends_as: Ending | None
    ) -> PersonRequest:
        """Write to the person, and end the request where it says so.

        Raises:   RequestNotFound (404), RequestClosed (409), MessageTooLong (413).
        Effects:  a mail with a link to the answer.
        """
        require_short(text)

        async def write(case: PersonRequest) -> None:
            state.write(case)
            await self._messages.add(written(case, text, by=actor))
            if ends_as is not None:
                state.close(case, ends_as, now())
            await self._telling.tell(case, News.CLOSED if ends_as else News.ANSWERED)
            await self._record("request.answered", case, actor, ends_as or BY_STAFF)

        return await self._change(request_id, write)

    async def extend(self, request_id: UUID, reason: str, actor: str) -> PersonRequest:
        """Give a request two further months, once. Args: reason: what the person is told.

        Raises:   RequestNotFound (404); RequestClosed, AlreadyExtended (409); MessageTooLong (413).
        Source:   GDPR Art. 12(3).
        """
        require_short(reason)

        async def write(case: PersonRequest) -> None:
            state.extend(case, now())
            await self._messages.add(written(case, reason, by=actor))
            await self._telling.tell(case, News.EXTENDED)
            await self._record("request.extended", case, actor, BY_STAFF)

        return await self._change(request_id, write)

    async def confirm_identity(
        self, request_id: UUID, user_id: UUID, ground: Ground, actor: str
    ) -> PersonRequest:
        """Note after a check by hand whose account a request is about. Its owner is told by mail, too.

        Raises:   RequestNotFound (404); RequestClosed, AlreadyProven (409).
        Effects:  as of `Accepting.prove`; request.identity-confirmed, in the audit ledger.
        """

        async def write() -> PersonRequest:
            case = await self.requests.get(request_id)
            if case.state is State.OPEN:
                state.prove(case, "staff", now())  # it refuses
            settled = await self._accepting.settle(case, user_id, "staff")
            if settled.email is not None:
                await self._telling.tell_account(settled, News.RECEIVED)
            await self._record("request.identity-confirmed", settled, actor, ground)
            return settled

        case = await self._work.run(write, subject=user_id)
        await self._accepting.retire_writers()
        return case

    async def confirm_minor(self, request_id: UUID, user_id: UUID, actor: str) -> PersonRequest:
        """Confirm that somebody is under 18, as a request reports: their account is closed and erased at once.

        Whoever reported it is told that the request is closed, and nothing of the account.

        Raises:   RequestNotFound (404); RequestClosed, NoMinorReport (409).
        Effects:  minor.confirmed; minor.confirmed in the audit ledger.
        """

        async def write(case: PersonRequest) -> None:
            state.confirm_minor(case, now())
            await self._work.outbox.add(MinorConfirmedV1(user_id=user_id, request_id=case.id))
            await self._telling.tell(case, News.CLOSED)
            await self._audit.record(
                "minor.confirmed", actor=actor, ground="minor-report", subject=user_id, target=str(case.id)
            )

        return await self._change(request_id, write)

    async def note_fulfilled(self, event: RequestFulfilledV1) -> None:
        """End a request that was carried out, in an open transaction; nothing where it has ended before."""
        case = await self.requests.find(event.request_id)
        if case is None or case.state is State.CLOSED or case.user_id != event.user_id:
            return
        state.close(case, event.outcome, now())
        await self.requests.save(case)
        await self._telling.tell(case, News.CLOSED)

    async def _change(
        self, request_id: UUID, change: Callable[[PersonRequest], Awaitable[None]]
    ) -> PersonRequest:
        """Change a request as it is in the transaction, inside its person's fence."""
        found = await self.requests.get(request_id)

        async def write() -> PersonRequest:
            case = await self.requests.get(request_id)
            await change(case)
            await self.requests.save(case)
            return case

        return await self._work.run(write, subject=found.user_id)

    async def _record(self, action: str, case: PersonRequest, actor: str, ground: str) -> None:
        subject = case.user_id if case.has_account else None
        await self._audit.record(action, actor=actor, ground=ground, subject=subject, target=str(case.id))
