"""What people ask for by a request, where it is for auth to do."""

from uuid import UUID

from libs.common.events.privacy import (
    MinorConfirmedV1,
    RequestAcceptedV1,
    RequestFulfilledV1,
    RequestKind,
    RequestOutcome,
)
from libs.common.work import UnitOfWork
from services.auth.consenting import Consenting
from services.auth.leaving import Leaving
from services.auth.models import Status
from services.auth.repository import Store
from services.auth.standing import Standing


class Fulfilling:
    """Carries out accepted requests: erasure, restriction, objection, and withdrawal of consent."""

    def __init__(
        self, store: Store, work: UnitOfWork, leaving: Leaving, standing: Standing, consenting: Consenting
    ) -> None:
        self._store, self._work = store, work
        self._leaving, self._standing, self._consenting = leaving, standing, consenting

    async def carry_out(self, event: RequestAcceptedV1) -> None:
        """Carry a request out in an open transaction; nothing where it is for another service to do.

        Effects:  what was asked for; request.fulfilled.
        """
        outcome = await self._outcome(event)
        if outcome is not None:
            await self._answer(event, event.kind, outcome)

    async def close_minor(self, event: MinorConfirmedV1) -> None:
        """Close the account of somebody who is under 18, in an open transaction.

        Effects:  as of `Leaving.close_minor`; request.fulfilled, as of an erasure.
        """
        await self._answer(event, "erasure", await self._leaving.close_minor(event.user_id))

    async def _answer(
        self, event: RequestAcceptedV1 | MinorConfirmedV1, kind: RequestKind, outcome: RequestOutcome
    ) -> None:
        await self._work.outbox.add(
            RequestFulfilledV1(user_id=event.user_id, request_id=event.request_id, kind=kind, outcome=outcome)
        )

    async def _outcome(self, event: RequestAcceptedV1) -> RequestOutcome | None:
        match event.kind:
            case "erasure":
                return await self._leaving.leave_by_request(event.user_id)
            case "restriction":
                return await self._restricted(event.user_id)
            case "objection" | "withdrawal":
                return await self._consenting.refuse_all(event.user_id, event.kind)
            case _:
                return None

    async def _restricted(self, user_id: UUID) -> RequestOutcome:
        if await self._standing.restrict(user_id):
            return "restricted"
        user = await self._store.users.get(user_id)
        return "already-restricted" if user and user.status is Status.ACTIVE else "account-closed"
