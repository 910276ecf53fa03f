"""What the sandbox does: opens checkouts, takes the buyer's choice, refunds, and queues what the merchant is told."""

import json
from uuid import UUID

from libs.common.clock import new_id, now
from libs.common.errors import Conflict, NotFound
from libs.common.mongo import Mongo
from services.billing.payments import Money
from services.billing.providers.sandbox.models import CheckoutRow, CheckoutState, Delivery
from services.billing.providers.sandbox.plan import Choice, NoticeType, Planned, Rules, plan
from services.billing.providers.sandbox.repository import CheckoutRepository, DeliveryRepository


class CheckoutNotFound(NotFound):
    """There is no such checkout."""

    code, title = "checkout-not-found", "There is no such checkout"


class CheckoutOver(Conflict):
    """It was paid, or refunded, before."""

    code, title = "checkout-over", "This checkout is over"


class CheckoutDiffers(Conflict):
    """The payment has a checkout for another amount."""

    code, title = "checkout-differs", "This payment has a checkout for another amount"


class Checkouts:
    """The sandbox's checkouts, and the notices they cause."""

    def __init__(self, mongo: Mongo, rules: Rules) -> None:
        self._mongo, self._rules = mongo, rules
        self._checkouts, self._deliveries = CheckoutRepository(mongo), DeliveryRepository(mongo)

    async def open(self, payment_id: UUID, amount: Money) -> CheckoutRow:
        """Open a checkout for a payment, or return the one it has.

        Raises:   CheckoutDiffers (409): it has one for another amount.
        """
        checkout = await self._checkouts.of_payment(payment_id) or await self._opened(payment_id, amount)
        if Money(checkout.amount_minor, checkout.currency) != amount:
            raise CheckoutDiffers
        return checkout

    async def _opened(self, payment_id: UUID, amount: Money) -> CheckoutRow:
        number = await self._checkouts.next_number()
        checkout = CheckoutRow(
            payment_id=payment_id, number=number, amount_minor=amount.minor, currency=amount.currency
        )
        if await self._checkouts.add(checkout):
            return checkout
        return await self._checkouts.of_payment(payment_id) or checkout

    async def get(self, checkout_id: UUID) -> CheckoutRow:
        """Return a checkout.

        Raises:   CheckoutNotFound (404).
        """
        checkout = await self._checkouts.get(checkout_id)
        if checkout is None:
            raise CheckoutNotFound
        return checkout

    async def choose(self, checkout_id: UUID, choice: Choice) -> CheckoutRow:
        """Take the buyer's choice. After a declined try another one is welcome.

        Raises:   CheckoutNotFound (404); CheckoutOver (409).
        Effects:  queues the notices, in the same transaction.
        """
        state = CheckoutState.PAID if choice.pays else CheckoutState.DECLINED
        allowed = (CheckoutState.OPEN, CheckoutState.DECLINED)

        async def write() -> CheckoutRow:
            checkout = await self._moved(checkout_id, allowed, state)
            await self._queue(checkout, plan(choice, checkout.number, self._rules, now()))
            return checkout

        return await self._mongo.transaction(write)

    async def refund(self, checkout_id: UUID) -> CheckoutRow:
        """Give a paid amount back.

        Raises:   CheckoutNotFound (404); CheckoutOver (409): not paid, or refunded before.
        Effects:  queues the notice, in the same transaction.
        """

        async def write() -> CheckoutRow:
            checkout = await self._moved(checkout_id, (CheckoutState.PAID,), CheckoutState.REFUNDED)
            await self._queue(checkout, [Planned(NoticeType.REFUNDED, now())])
            return checkout

        return await self._mongo.transaction(write)

    async def _moved(
        self, checkout_id: UUID, allowed: tuple[CheckoutState, ...], state: CheckoutState
    ) -> CheckoutRow:
        moved = await self._checkouts.move(checkout_id, allowed, state)
        if moved is None:
            await self.get(checkout_id)
            raise CheckoutOver
        return moved

    async def _queue(self, checkout: CheckoutRow, notices: list[Planned]) -> None:
        await self._deliveries.add(
            [
                Delivery(
                    id=f"msg_{new_id().hex}",
                    body=_body(checkout, notice.type),
                    payment_id=checkout.payment_id,
                    due_at=notice.due_at,
                    copies=notice.copies,
                )
                for notice in notices
            ]
        )


def _body(checkout: CheckoutRow, kind: NoticeType) -> str:
    """Return a notice's body. Source: Standard Webhooks 1.0, payload structure."""
    data = {
        "payment_id": str(checkout.payment_id),
        "checkout_id": str(checkout.id),
        "amount_minor": checkout.amount_minor,
        "currency": checkout.currency,
    }
    return json.dumps({"type": kind.value, "timestamp": now().isoformat(), "data": data})
