"""Billing: what can be bought, buying it, what the provider says of it, and what a person has to spend."""

import hashlib
from enum import StrEnum
from functools import partial
from uuid import UUID, uuid4

from libs.common.audit import Audit
from libs.common.errors import SubjectErased
from libs.common.events.billing import PaymentCompletedV1
from libs.common.suspensions import Suspensions
from libs.common.work import UnitOfWork
from services.billing.credits import Credits
from services.billing.errors import (
    AmountMismatch,
    DuplicatePayment,
    IdempotencyKeyReused,
    PaymentFrozen,
    PaymentNotFound,
    UnknownPackage,
)
from services.billing.ledger import Balance
from services.billing.metrics import IMBALANCE, OF_NOBODY, PAYMENTS, WEBHOOKS
from services.billing.models import LedgerEntry, Payment
from services.billing.packages import PACKAGES, Package
from services.billing.payments import PAID_STATES, PaymentState, advance
from services.billing.providers.base import Notice, PaymentProvider
from services.billing.repository import (
    BalanceRepository,
    EntryRepository,
    PaymentRepository,
    ReceiptRepository,
)

REBUILD_BATCH = 500
UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What became of a notice."""

    APPLIED = "applied"
    STALE = "stale"
    DUPLICATE = "duplicate"


class BillingService:
    """What people, the provider and other services' events ask of billing."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        credits_: Credits,
        payments: PaymentRepository,
        receipts: ReceiptRepository,
        entries: EntryRepository,
        balances: BalanceRepository,
        provider: PaymentProvider,
        audit: Audit,
        suspensions: Suspensions,
        welcome_credits: int,
    ) -> None:
        self.credits, self.provider, self.welcome_credits = credits_, provider, welcome_credits
        self.suspensions = suspensions
        self._work, self._payments, self._receipts = work, payments, receipts
        self._entries, self._balances, self._audit = entries, balances, audit

    async def check_out(self, user_id: UUID, package_code: str, idempotency_key: str | None) -> Payment:
        """Begin a purchase and return the payment with the address of the page where it is paid.

        The same key begins one purchase, however often it is sent, also after a failure half way.

        Raises:   UnknownPackage (422); IdempotencyKeyReused (409); ProviderUnavailable (503).
        """
        package = PACKAGES.get(package_code)
        if package is None:
            raise UnknownPackage
        payment = await self._begun(user_id, package, _hash(idempotency_key))
        if payment.package != package.code:
            raise IdempotencyKeyReused
        return payment if payment.checkout_url else await self._place(payment)

    async def _begun(self, user_id: UUID, package: Package, key_hash: str | None) -> Payment:
        if key_hash and (known := await self._payments.by_key(user_id, key_hash)):
            return known
        payment = Payment(
            user_id=user_id,
            package=package.code,
            credits=package.credits,
            amount_minor=package.price.minor,
            currency=package.price.currency,
            idempotency_key_hash=key_hash,
        )
        try:
            await self._work.run(lambda: self._payments.add(payment), subject=user_id)
        except DuplicatePayment:
            if key_hash and (faster := await self._payments.by_key(user_id, key_hash)):
                return faster
            raise
        PAYMENTS.labels(PaymentState.CREATED.value).inc()
        return payment

    async def _place(self, payment: Payment) -> Payment:
        checkout = await self.provider.open_checkout(payment.id, payment.price)
        try:
            placed = await self._work.run(
                lambda: self._payments.place(payment.user_id, payment.id, checkout.reference, checkout.url),
                subject=payment.user_id,
            )
        except SubjectErased:  # the provider may have been asked to erase before it heard of this payment
            await self.provider.erase([payment.id])
            raise
        if placed is None:  # its time was over meanwhile
            await self.provider.erase([payment.id])
            raise PaymentNotFound
        return placed

    async def payment(self, user_id: UUID, payment_id: UUID) -> Payment:
        """Return one payment of a person.

        Raises:   PaymentNotFound (404): absent, or another person's.
        """
        payment = await self._payments.get(user_id, payment_id)
        if payment is None:
            raise PaymentNotFound
        return payment

    async def payments(self, user_id: UUID, cursor: str | None, limit: int) -> list[Payment]:
        """Return a person's payments, newest first."""
        return await self._payments.page(user_id, cursor, limit)

    async def entries(self, user_id: UUID, cursor: str | None, limit: int) -> list[LedgerEntry]:
        """Return the entries of the ledger about a person, newest first."""
        return await self._entries.page(user_id, cursor, limit)

    async def balance(self, user_id: UUID) -> Balance:
        """Return what a person has to spend, and what is set aside."""
        return await self._balances.get(user_id)

    async def take_notice(self, notice: Notice) -> Outcome:
        """Take in what the provider says of a payment: once, and whatever the order it comes in.

        Of a payment that is gone before it was paid, what was paid all the same is booked for nobody. Where no money
        moved there is nothing to keep, and a refusal would have the provider tell it for ever.

        Raises:   AmountMismatch (409); PaymentFrozen (503): the provider tells again.
        Effects:  the payment's state; publishes payment.completed; a refund takes unspent credits back.
        """
        payment = await self._payments.told_of(notice.payment_id)
        if payment is None:
            outcome = await self._book_for_nobody(notice) if notice.state in PAID_STATES else Outcome.STALE
            WEBHOOKS.labels(outcome.value).inc()
            return outcome
        if payment.price != notice.amount:
            raise AmountMismatch
        try:
            outcome, state = await self._work.run(
                lambda: self._apply(notice, payment.user_id), subject=payment.user_id
            )
        except SubjectErased as error:
            raise PaymentFrozen from error
        WEBHOOKS.labels(outcome.value).inc()
        if outcome is Outcome.APPLIED:
            PAYMENTS.labels(state.value).inc()
        return outcome

    async def _book_for_nobody(self, notice: Notice) -> Outcome:
        """Book money whose payment is gone, under a pseudonym of its own, as tax law asks.

        Its checkout is closed when the payment goes, so it was made at about that time. Somebody has to give it back.

        Raises:   PaymentFrozen (503): a notice of it is being booked.
        """
        payment = Payment(
            id=notice.payment_id,
            user_id=uuid4(),
            package=next((each.code for each in PACKAGES.values() if each.price == notice.amount), UNKNOWN),
            credits=0,
            amount_minor=notice.amount.minor,
            currency=notice.amount.currency,
            state=notice.state,
        )

        async def write() -> Outcome:
            if not await self._receipts.is_new(notice.id):
                return Outcome.DUPLICATE
            await self._payments.add_retained(payment)
            return Outcome.APPLIED

        try:
            outcome = await self._work.run(write)
        except DuplicatePayment as error:
            raise PaymentFrozen from error
        if outcome is Outcome.APPLIED and notice.state is PaymentState.COMPLETED:
            OF_NOBODY.inc()
        return outcome

    async def _apply(self, notice: Notice, user_id: UUID) -> tuple[Outcome, PaymentState]:
        payment = await self._payments.get(user_id, notice.payment_id)
        if payment is None:  # pseudonymised since it was looked up
            raise PaymentFrozen
        if not await self._receipts.is_new(notice.id):
            return Outcome.DUPLICATE, payment.state
        state = advance(payment.state, notice.state)
        if state is payment.state:
            return Outcome.STALE, state
        await self._payments.set_state(payment, state)
        await self._follow(payment, state)
        return Outcome.APPLIED, state

    async def _follow(self, payment: Payment, state: PaymentState) -> None:
        """Do what a payment's new state asks for; where the payer is erased there is nobody to credit."""
        if payment.is_retained:
            return
        if state is PaymentState.COMPLETED:
            await self._work.outbox.add(
                PaymentCompletedV1(
                    user_id=payment.user_id,
                    payment_id=payment.id,
                    package=payment.package,
                    amount_minor=payment.amount_minor,
                    currency=payment.currency,
                )
            )
        elif state is PaymentState.REFUNDED and payment.credited:
            await self.credits.take_back(payment)

    async def grant(self, user_id: UUID, payment_id: UUID) -> None:
        """Credit a completed payment, once.

        Raises:   PaymentNotFound (dead-letter).
        Effects:  ledger entry; publishes credits.granted. None where it was credited, or refunded meanwhile.
        """
        payment = await self.payment(user_id, payment_id)
        if await self._payments.mark_credited(user_id, payment_id):
            await self.credits.purchase(payment)

    async def rebuild_balance(self, user_id: UUID) -> bool:
        """Set a balance to what its entries add up to; true where it said otherwise.

        Raises:   Overdrawn (409): the entries themselves are wrong.
        """

        async def write() -> bool:
            balance = Balance()
            async for entry in self._entries.of(user_id):
                balance = balance.plus(entry)
            return await self._balances.replace(user_id, balance.sound())

        return await self._work.run(write, subject=user_id)

    async def rebuild_balances(self, actor: str) -> int:
        """Rebuild every balance from the entries and return how many said otherwise.

        Entries kept under a pseudonym have no balance, so they bring none back.

        Args:     actor: who ordered it.
        Effects:  publishes action.recorded first: an order that breaks off half-way is in the ledger too.
        """
        record = partial(self._audit.record, "balances.rebuilt", ground="operations", actor=actor)
        await self._work.run(record)
        corrected, last = 0, None
        while batch := await self._balances.after(last, REBUILD_BATCH):
            for user_id in batch:
                corrected += await self._rebuilt(user_id)
            last = batch[-1]
        return corrected

    async def _rebuilt(self, user_id: UUID) -> bool:
        try:
            return await self.rebuild_balance(user_id)
        except SubjectErased:  # between the listing and the rebuilding
            return False

    async def check_books(self) -> int:
        """Add the books up, and return by how much they are wrong: 0 credits."""
        imbalance = await self._entries.imbalance()
        IMBALANCE.set(imbalance)
        return imbalance


def _hash(idempotency_key: str | None) -> str | None:
    """Return what is kept of a key: whatever a client put into it, it says nothing to us."""
    return hashlib.sha256(idempotency_key.encode()).hexdigest() if idempotency_key else None
