"""The end of an account: hidden at once, its person free to come back for a while, then closed and erased."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs.common.clock import new_id, now
from libs.common.clock_guard import agreed_now
from libs.common.errors import Unauthenticated
from libs.common.events.auth import UserDeletedV1
from libs.common.events.privacy import RequestOutcome
from libs.common.logging import logger
from libs.common.privacy.proofs import Proofs
from libs.common.work import UnitOfWork
from services.auth.metrics import DELETIONS, HIDINGS
from services.auth.models import REFUSED_FOR, Status, User
from services.auth.privacy import REFUSED_ADDRESSES
from services.auth.repository import Store
from services.auth.rows.users import Due
from services.auth.sessions import SessionKeeper
from services.auth.settings import AuthSettings
from services.auth.standing import Standing

log = logger("auth.leaving")


@dataclass(frozen=True, slots=True)
class Farewell:
    """What becomes of an account that its person leaves: its erasure's case, and when that begins."""

    case_id: UUID
    erased_from: datetime


class Leaving:
    """Hides and closes accounts."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: Store,
        work: UnitOfWork,
        sessions: SessionKeeper,
        standing: Standing,
        proofs: Proofs,
    ) -> None:
        self._settings, self._store, self._work = settings, store, work
        self._sessions, self._standing, self._proofs = sessions, standing, proofs
        self._grace = timedelta(days=settings.deletion_grace_days)

    async def leave(self, user: User, *, at_once: bool, reason: str) -> Farewell:
        """End an account: hidden with time to come back, or closed where none is wanted or given.

        Raises:   Unauthenticated (401): somebody ended it before.
        Effects:  no session is left; user.hidden or user.deleted, session.revoked for each session.
        """
        hides = bool(self._grace) and not at_once
        erased_from = now() + self._grace if hides else now()
        case_id = await (self._hide(user, erased_from, reason) if hides else self.close(user, reason=reason))
        if case_id is None:
            raise Unauthenticated("this account is closed")
        return Farewell(case_id, erased_from)

    async def leave_by_request(self, user_id: UUID) -> RequestOutcome:
        """End an account whose person asked for it by a request, in an open transaction; return what came of it.

        Effects:  as of `leave`, with time to come back; nothing where the account ended before.
        """
        user = await self._store.users.get(user_id)
        if user is None:
            return "account-closed"
        if user.status is Status.HIDDEN:
            return "erasure-scheduled"
        if user.status is Status.UNVERIFIED or not self._grace:
            await self.close_now(user)
            return "erasure-begun"
        await self.hide_now(user_id, new_id(), now() + self._grace, "by-request")
        return "erasure-scheduled"

    async def close_minor(self, user_id: UUID) -> RequestOutcome:
        """Close a minor's account without grace, in an open transaction; return what came of it.

        Effects:  as of `close_now`; a verified address registers nothing for a while, and the certificate names that.
        """
        user = await self._store.users.get(user_id)
        if user is None:
            return "account-closed"
        case_id = await self.close_now(user)
        if case_id is not None and user.verified_at is not None:
            await self._refuse(user, case_id, now() + REFUSED_FOR)
        return "erasure-begun"

    async def close(self, user: User | Due, *, reason: str) -> UUID | None:
        """Close an account; return its erasure case, or None where it has become another's or was closed before.

        It is not fenced by a tombstone: the erasure that it starts may set one before this returns.

        Effects:  as of `close_now`.
        """
        case_id = await self._work.run(lambda: self.close_now(user))
        if case_id is not None:
            DELETIONS.labels(reason).inc()
        return case_id

    async def close_now(self, user: User | Due) -> UUID | None:
        """Close an account as it was read, in an open transaction; return its case, or None.

        Effects:  nobody can sign in, address and name are free; user.deleted, session.revoked for each session.
        """
        case_id, freed = user.case_id or new_id(), f"deleted:{user.id}"
        if not await self._store.users.change(
            user.id,
            only=user.status,
            having={"case_id": user.case_id},
            status=Status.DELETED,
            email_key=freed,
            username_key=freed,
        ):
            return None
        await self._store.usernames.release(user.id)
        await self._store.registrations.remove_all(user.id)
        await self._store.verification_tokens.remove_all(user.id)
        await self._sessions.end_all(user.id, "account-deleted")
        await self._work.outbox.add(UserDeletedV1(user_id=user.id, case_id=case_id, deleted_at=now()))
        return case_id

    async def close_due(self) -> int:
        """Close the accounts whose time to come back has ended; return how many.

        Where it stands is in the rows: a process that is killed leaves what it has not closed to the next one.

        Raises:   ClocksApart: who still has time to come back would be closed early.
        """
        due = self._store.users.due(await agreed_now(self._work.mongo))
        return sum([await self._closed(each, "grace-ended") async for each in due])

    async def close_unverified(self) -> int:
        """Delete accounts whose address was never verified in the time for it; return how many.

        Raises:   ClocksApart.
        Source:   GDPR Art. 5(1)(e): the address may be somebody else's, who never asked for an account.
        """
        before = await agreed_now(self._work.mongo) - self._settings.unverified_lifetime
        due = self._store.users.unverified_since(before)
        return sum([await self._closed(each, "never-verified") async for each in due])

    async def _closed(self, account: Due, reason: str) -> bool:
        """Close one account; return whether it was. One that cannot be closed is left for the next time."""
        try:
            return await self.close(account, reason=reason) is not None
        except Exception as error:
            log.warning("account.not_closed", case_id=str(account.case_id), reason=reason, exc_info=error)
            return False

    async def _refuse(self, user: User, case_id: UUID, until: datetime) -> None:
        await self._store.refused_addresses.add(user.email, until)
        await self._proofs.keep(REFUSED_ADDRESSES, user.id, case_id, until)

    async def _hide(self, user: User, erased_from: datetime, reason: str) -> UUID | None:
        case_id = new_id()
        hidden = await self._work.run(
            lambda: self.hide_now(user.id, case_id, erased_from, reason), subject=user.id
        )
        if hidden:
            HIDINGS.labels(reason).inc()
        return case_id if hidden else None

    async def hide_now(self, user_id: UUID, case_id: UUID, erased_from: datetime, reason: str) -> bool:
        """Hide an account in an open transaction; tell whether there was one to hide.

        Effects:  no session is left; user.hidden, session.revoked for each session.
        """
        hidden = await self._standing.hide(user_id, case_id, erased_from, reason)
        if hidden:
            await self._sessions.end_all(user_id, "account-hidden")
        return hidden
