"""The conversation about a request, and its end by the person."""

from uuid import UUID

from libs.common.clock import now
from libs.common.errors import TooMany
from libs.common.mailing.request_news import News
from libs.common.pacing import Pace, Pacing
from libs.common.work import UnitOfWork
from services.privacy.requests import state
from services.privacy.requests.accepting import Accepting
from services.privacy.requests.access import Access, Caller
from services.privacy.requests.intake import require_short, written
from services.privacy.requests.models import PersonRequest, RequestMessage
from services.privacy.requests.rows import PersonRequests, RequestMessages
from services.privacy.requests.telling import Telling

MESSAGE_PACE = Pace(free=20, first_delay_s=30, longest_delay_s=3_600)
LINK_PACE = Pace(free=3, first_delay_s=60, longest_delay_s=86_400)
MOST_OWN = 100


class Conversing:
    """What people do with their requests once they are made."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        requests: PersonRequests,
        messages: RequestMessages,
        access: Access,
        accepting: Accepting,
        pacing: Pacing,
        telling: Telling,
    ) -> None:
        self._work, self._requests, self._messages = work, requests, messages
        self._access, self._accepting, self._pacing, self._telling = access, accepting, pacing, telling

    async def own(self, user_id: UUID) -> list[PersonRequest]:
        """Return a person's requests, the newest first."""
        return await self._requests.of(user_id, MOST_OWN)

    async def read(self, request_id: UUID, caller: Caller) -> tuple[PersonRequest, list[RequestMessage]]:
        """Return a request and what was written in it. Raises RequestNotFound (404), RequestLinkExpired (401)."""
        case = await self._access.case_for(request_id, caller)
        return case, await self._messages.of(case.id)

    async def write(self, request_id: UUID, text: str, caller: Caller) -> PersonRequest:
        """Add something to a request.

        Raises:   RequestNotFound (404), RequestLinkExpired (401), RequestClosed (409), MessageTooLong (413),
                  TooMany (429).
        """
        require_short(text)
        case = await self._access.case_for(request_id, caller)
        await self._pace("request-message", case, MESSAGE_PACE)

        async def add() -> PersonRequest:
            current = await self._requests.get(case.id)
            state.write(current)
            await self._messages.add(written(current, text))
            await self._requests.save(current)  # so that an end at the same moment conflicts with this
            return current

        return await self._work.run(add, subject=case.user_id)

    async def cancel(self, request_id: UUID, caller: Caller) -> PersonRequest:
        """End a request that its person does not want any more.

        Raises:   RequestNotFound (404), RequestLinkExpired (401); RequestClosed, NotCancellable (409).
        """
        case = await self._access.case_for(request_id, caller)

        async def end() -> PersonRequest:
            current = await self._requests.get(case.id)
            state.cancel(current, now())
            await self._requests.save(current)
            await self._telling.tell(current, News.CLOSED)
            return current

        return await self._work.run(end, subject=case.user_id)

    async def prove(self, request_id: UUID, caller: Caller) -> PersonRequest:
        """Take a proof of who asks; return the request, or the one that it was joined to.

        Raises:   as of `Access` and `Accepting.prove`.
        """
        case = await self._access.case_for(request_id, caller)
        user_id, by = await self._access.proven(caller)
        return await self._accepting.prove(case.id, user_id, by)

    async def mail_link(self, request_id: UUID) -> None:
        """Mail a new link to the address of a request; nobody is told whether there is such a request.

        Effects:  request.updated, where there is one that was made with an address.
        """
        case = await self._requests.find(request_id)
        if case is None or case.email is None:
            return
        try:
            await self._pace("request-link", case, LINK_PACE)
        except TooMany:  # the caller is not told: it would say that there is a request
            return
        await self._work.run(lambda: self._telling.tell(case, News.LINK), subject=case.user_id)

    async def _pace(self, what: str, case: PersonRequest, pace: Pace) -> None:
        keys = {self._pacing.key(what, str(case.id)): pace}
        await self._pacing.enter(what, keys, case.user_id if case.has_account else None)
