"""Where an account stands: hidden until it is erased, back again, restricted or not. Other services hear of it.

Everything here runs in an open transaction, and counts: of two events about a person's standing the one with the
higher number is the last word, whichever comes first.
"""

from datetime import datetime
from uuid import UUID

from libs.common.clock import now
from libs.common.events.auth import (
    MailRequestedV2,
    UserHiddenV1,
    UserRestoredV1,
    UserRestrictedV1,
    UserUnrestrictedV1,
)
from libs.common.suspensions import Changed, Suspensions
from libs.common.work import UnitOfWork
from services.auth.mails import Kind
from services.auth.models import Status
from services.auth.notifying import Notifying
from services.auth.repository import Store


class Standing:
    """Hides accounts and brings them back, restricts them and lifts it."""

    def __init__(
        self, store: Store, work: UnitOfWork, suspensions: Suspensions, notifying: Notifying
    ) -> None:
        self._store, self._work = store, work
        self._suspensions, self._notifying = suspensions, notifying

    async def hide(self, user_id: UUID, case_id: UUID, erased_from: datetime, reason: str) -> bool:
        """Hide an account until it is erased; tell whether there was one to hide.

        Effects:  user.hidden; mail.requested: how to come back, and until when.
        """
        moment = now()
        user = await self._store.users.turn(
            user_id,
            only=Status.ACTIVE,
            status=Status.HIDDEN,
            hidden_at=moment,
            erased_from=erased_from,
            case_id=case_id,
        )
        if user is None:
            return False
        await self._say(
            UserHiddenV1(
                user_id=user_id,
                reason=reason,
                erased_from=erased_from,
                hidden_at=moment,
                sequence=user.standings,
            )
        )
        await self._work.outbox.add(MailRequestedV2(user_id=user_id, kind=Kind.ACCOUNT_HIDDEN))
        return True

    async def restore(self, user_id: UUID) -> None:
        """Bring a hidden account back with everything as it was; nothing where it is not hidden any more.

        Effects:  user.restored; mail.requested, and what was told to everybody meanwhile.
        """
        user = await self._store.users.turn(
            user_id, only=Status.HIDDEN, status=Status.ACTIVE, hidden_at=None, erased_from=None, case_id=None
        )
        if user is None:
            return
        await self._say(UserRestoredV1(user_id=user_id, sequence=user.standings))
        await self._work.outbox.add(MailRequestedV2(user_id=user_id, kind=Kind.ACCOUNT_RESTORED))
        await self._notifying.tell_missed(user_id)

    async def restrict(self, user_id: UUID) -> bool:
        """Restrict the processing of a person's data; tell whether it was not restricted before.

        Effects:  user.restricted.
        """
        user = await self._store.users.turn(
            user_id, only=Status.ACTIVE, having={"restricted_at": None}, restricted_at=now()
        )
        if user is not None:
            await self._say(UserRestrictedV1(user_id=user_id, sequence=user.standings))
        return user is not None

    async def unrestrict(self, user_id: UUID) -> bool:
        """Lift the restriction; tell whether there was one.

        Effects:  user.unrestricted.
        """
        user = await self._store.users.turn(
            user_id, only=Status.ACTIVE, having={"restricted_at": {"$ne": None}}, restricted_at=None
        )
        if user is not None:
            await self._say(UserUnrestrictedV1(user_id=user_id, sequence=user.standings))
        return user is not None

    async def _say(self, event: Changed) -> None:
        await self._suspensions.note(event)
        await self._work.outbox.add(event)
