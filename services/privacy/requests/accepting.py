"""Accepting a request: it is proven whose account it is about, and the services are told to carry it out."""

from uuid import UUID

from libs.common.clock import now
from libs.common.events.privacy import RequestAcceptedV1
from libs.common.logging import logger
from libs.common.mailing.request_news import News
from libs.common.vault.keys import DataKeys
from libs.common.work import UnitOfWork
from services.privacy.errors import AlreadyProven, IdentityOfAnother
from services.privacy.requests import state
from services.privacy.requests.models import PersonRequest, ProvenBy, State
from services.privacy.requests.rows import PersonRequests, RequestLinks, RequestMessages
from services.privacy.requests.telling import Telling

log = logger("privacy.requests")


class Accepting:
    """Links requests to the accounts they are about."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        requests: PersonRequests,
        messages: RequestMessages,
        links: RequestLinks,
        telling: Telling,
        keys: DataKeys,
    ) -> None:
        self._work, self._requests, self._messages, self._links = work, requests, messages, links
        self._telling, self._keys = telling, keys

    async def prove(self, request_id: UUID, user_id: UUID, by: ProvenBy) -> PersonRequest:
        """Note whose account a request is about; return it, or the open one of the same kind that it was joined to.

        Raises:   AlreadyProven, RequestClosed (409); IdentityOfAnother (403).
        Effects:  what was written is sealed with the person's key, that of the nobody who wrote it is destroyed; a
                  mail; request.accepted.
        """

        async def write() -> PersonRequest:
            case = await self._requests.get(request_id)
            _require_provable(case, user_id, by)
            return await self.settle(case, user_id, by)

        case = await self._work.run(write, subject=user_id)
        await self.retire_writers()
        return case

    async def settle(self, case: PersonRequest, user_id: UUID, by: ProvenBy) -> PersonRequest:
        """Do it, in an open transaction."""
        duplicate = None if case.for_another else await self._requests.open_of(user_id, case.kind)
        state.prove(case, by, now())
        own = await self._take_over(case, user_id)
        if duplicate is None or duplicate.id == case.id or duplicate.for_another:
            await self.accept(own)
            return own
        return await self._join(own, duplicate)

    async def accept(self, case: PersonRequest) -> None:
        """Tell the person and the services of a request that has just been proven, in an open transaction."""
        await self._telling.tell(case, News.ACCEPTED)
        await self.publish(case)

    async def publish(self, case: PersonRequest) -> None:
        """Have the services carry out a request, in an open transaction. Effects: request.accepted."""
        if case.kind.right is not None:
            await self._work.outbox.add(
                RequestAcceptedV1(user_id=case.user_id, request_id=case.id, kind=case.kind.right)
            )

    async def retire_writers(self) -> int:
        """Destroy the keys of those who turned out to be somebody: copies of what they sealed die with them.

        They are named by the rows until it is done, so that a process that is killed leaves none behind. One that
        cannot be destroyed is left to the next time, and holds up no other.
        """
        return sum([await self._retire(*writer) async for writer in self._requests.writers()])

    async def _retire(self, request_id: UUID, writer_id: UUID) -> bool:
        try:
            await self._keys.destroy(writer_id)
            await self._requests.forget_writer(request_id)
        except Exception as error:
            log.warning("request.writer_not_retired", request_id=str(request_id), exc_info=error)
            return False
        return True

    async def _take_over(self, case: PersonRequest, user_id: UUID) -> PersonRequest:
        """Make a request a person's, in an open transaction: sealed with their key, found by their erasure."""
        if case.user_id == user_id:
            await self._requests.save(case)
            return case
        taken = {"user_id": user_id, "has_account": True, "writer_id": case.user_id}
        own = case.model_copy(update=taken)
        await self._requests.hand_over(own)
        await self._messages.hand_over(case.id, own)
        await self._links.hand_over(case.id, own)
        return own

    async def _join(self, case: PersonRequest, duplicate: PersonRequest) -> PersonRequest:
        """End a request in an open transaction: the person has one of the kind already, which takes its messages."""
        state.close(case, state.JOINED, now())
        case.joined_to = duplicate.id
        await self._requests.save(case)
        await self._messages.hand_over(case.id, duplicate)
        if duplicate.state is State.UNPROVEN and case.proven_by is not None:
            state.prove(duplicate, case.proven_by, now())
            await self.accept(duplicate)
            await self._requests.save(duplicate)
        return duplicate


def _require_provable(case: PersonRequest, user_id: UUID, by: ProvenBy) -> None:
    """Raises: AlreadyProven (409); IdentityOfAnother (403): staff alone say whose account another asks about."""
    if case.state is State.OPEN:
        raise AlreadyProven
    if by == "staff":
        return
    if case.has_account and case.user_id != user_id:
        raise IdentityOfAnother
    if case.for_another:
        raise IdentityOfAnother("a request for somebody else is checked by hand: we write to you")
