"""Moves credits: every change of a balance is an entry of the ledger, in the same transaction.

All of it runs inside a transaction that is already open: a handler's, or a webhook's.
"""

from uuid import UUID

from libs.common.bus.outbox import Outbox
from libs.common.clock import now
from libs.common.events.billing import (
    AccountOpenedV1,
    CreditsCapturedV1,
    CreditsDeclinedV1,
    CreditsGrantedV1,
    CreditsReclaimedV1,
    CreditsRefundedV1,
    CreditsReleasedV1,
    CreditsReservedV1,
)
from services.billing.errors import BooksDisagree
from services.billing.ledger import Entry, Kind, entry
from services.billing.metrics import RESERVATIONS, SHORTFALL
from services.billing.models import LedgerEntry, Payment, Reservation, ReservationState
from services.billing.repository import BalanceRepository, EntryRepository, ReservationRepository

INSUFFICIENT = "insufficient-credits"


class Credits:
    """People's credits."""

    def __init__(
        self,
        balances: BalanceRepository,
        entries: EntryRepository,
        reservations: ReservationRepository,
        outbox: Outbox,
    ) -> None:
        self._balances, self._entries = balances, entries
        self._reservations, self._outbox = reservations, outbox

    async def open_account(self, user_id: UUID) -> None:
        """Give a person an empty balance, once.

        Effects:  publishes account.opened, unless there is one.
        """
        if opened_at := await self._balances.open(user_id):
            await self._outbox.add(AccountOpenedV1(user_id=user_id, opened_at=opened_at))

    async def welcome(self, user_id: UUID, credits_: int) -> None:
        """Give a person the welcome credits, once.

        Effects:  an entry; publishes credits.granted. None where they were given before.
        """
        if credits_ == 0 or await self._entries.has(user_id, Kind.WELCOME):
            return
        await self.open_account(user_id)
        await self._book(user_id, entry(Kind.WELCOME, credits_))
        await self._outbox.add(CreditsGrantedV1(user_id=user_id, credits=credits_, reason="welcome"))

    async def purchase(self, payment: Payment) -> None:
        """Give a person the credits that a payment bought. The caller holds the claim that makes it once.

        Effects:  an entry; publishes credits.granted.
        """
        await self.open_account(payment.user_id)
        await self._book(payment.user_id, entry(Kind.PURCHASE, payment.credits), payment_id=payment.id)
        await self._outbox.add(
            CreditsGrantedV1(
                user_id=payment.user_id, credits=payment.credits, reason="purchase", payment_id=payment.id
            )
        )

    async def take_back(self, payment: Payment) -> None:
        """Take back the credits of a refunded payment, as far as they are still there: no balance goes below 0.

        What is set aside for jobs stays so, and is owed: `release` takes it back.

        Effects:  an entry and credits.refunded, unless none is there; what was spent is counted as shortfall.
        """
        available = (await self._balances.get(payment.user_id)).available
        taken = min(available, payment.credits)
        if taken:
            await self._book(payment.user_id, entry(Kind.REFUND, taken), payment_id=payment.id)
            await self._outbox.add(
                CreditsRefundedV1(user_id=payment.user_id, payment_id=payment.id, credits=taken)
            )
        owed = await self._reservations.owe(payment.user_id, payment.credits - taken)
        SHORTFALL.inc(payment.credits - taken - owed)

    async def reserve(self, user_id: UUID, job_id: UUID, credits_: int) -> None:
        """Set credits aside for a job, once; not where the job is over already.

        Effects:  an entry and credits.reserved, or credits.declined where there are not enough.
        """
        if await self._reservations.known(user_id, job_id):
            RESERVATIONS.labels("known").inc()
            return
        movement = entry(Kind.RESERVATION, credits_)
        if not await self._balances.apply(user_id, movement):
            await self._decline(user_id, job_id, credits_)
            return
        await self._entries.add(LedgerEntry.of(user_id, movement, job_id=job_id))
        await self._decide(user_id, job_id, credits_, ReservationState.RESERVED)
        await self._outbox.add(CreditsReservedV1(user_id=user_id, job_id=job_id, credits=credits_))

    async def capture(self, user_id: UUID, job_id: UUID) -> None:
        """Spend the credits set aside for a job, once; of these, what is owed for a refund is so no more.

        Effects:  an entry; publishes credits.captured. None without an open reservation.
        """
        if captured := await self._settle(user_id, job_id, ReservationState.CAPTURED):
            await self._book(user_id, entry(Kind.CAPTURE, captured.credits), job_id=job_id)
            await self._outbox.add(
                CreditsCapturedV1(user_id=user_id, job_id=job_id, credits=captured.credits)
            )
            SHORTFALL.inc(captured.owed)

    async def release(self, user_id: UUID, job_id: UUID) -> None:
        """Give the credits set aside for a job back, once, and take back what of them was refunded meanwhile.

        Effects:  an entry; publishes credits.released, and so credits.reclaimed. None without an open reservation.
        """
        if released := await self._settle(user_id, job_id, ReservationState.RELEASED):
            await self._book(user_id, entry(Kind.RELEASE, released.credits), job_id=job_id)
            await self._outbox.add(
                CreditsReleasedV1(user_id=user_id, job_id=job_id, credits=released.credits)
            )
            await self._reclaim(released)

    async def _reclaim(self, released: Reservation) -> None:
        if released.owed:
            user_id, job_id = released.user_id, released.job_id
            await self._book(user_id, entry(Kind.RECLAIM, released.owed), job_id=job_id)
            await self._outbox.add(CreditsReclaimedV1(user_id=user_id, job_id=job_id, credits=released.owed))

    async def _decline(self, user_id: UUID, job_id: UUID, credits_: int) -> None:
        await self._decide(user_id, job_id, credits_, ReservationState.DECLINED)
        await self._outbox.add(
            CreditsDeclinedV1(user_id=user_id, job_id=job_id, credits=credits_, reason=INSUFFICIENT)
        )

    async def _settle(self, user_id: UUID, job_id: UUID, state: ReservationState) -> Reservation | None:
        """Settle an open reservation; remember a job that ended before its credits were asked for."""
        settled = await self._reservations.settle(user_id, job_id, state)
        if settled:
            RESERVATIONS.labels(state.value).inc()
        elif await self._reservations.known(user_id, job_id):
            RESERVATIONS.labels("known").inc()
        else:
            await self._decide(user_id, job_id, 0, ReservationState.VOID)
        return settled

    async def _decide(self, user_id: UUID, job_id: UUID, credits_: int, state: ReservationState) -> None:
        settled_at = None if state is ReservationState.RESERVED else now()
        await self._reservations.add(
            Reservation(job_id=job_id, user_id=user_id, credits=credits_, state=state, settled_at=settled_at)
        )
        RESERVATIONS.labels(state.value).inc()

    async def _book(
        self, user_id: UUID, movement: Entry, *, payment_id: UUID | None = None, job_id: UUID | None = None
    ) -> None:
        if not await self._balances.apply(user_id, movement):
            raise BooksDisagree
        await self._entries.add(LedgerEntry.of(user_id, movement, payment_id=payment_id, job_id=job_id))
