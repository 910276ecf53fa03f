"""What billing asks of a payment provider, whichever it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from libs.common.privacy.tombstones import ErasureReceipt
from services.billing.payments import Money, PaymentState


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where a person pays: the provider's own reference, and the address of its hosted page."""

    reference: str
    url: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider tells of a payment. `id` is the same whenever the same notice is sent again."""

    id: str
    payment_id: UUID
    state: PaymentState
    amount: Money


class PaymentProvider(Protocol):
    """A payment provider.

    Personal: it is told an opaque payment id, an amount and a currency: nothing that says who pays.
    """

    async def open_checkout(self, payment_id: UUID, amount: Money) -> Checkout:
        """Open a checkout, or return the one that the payment has.

        Raises:   ProviderUnavailable (503).
        """
        ...

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Return the notice in a webhook's raw body once its signature and its time are verified.

        Raises:   WebhookRefused (401); NoticeUnreadable (422).
        """
        ...

    async def erase(self, payment_ids: Sequence[UUID]) -> ErasureReceipt:
        """Have all that leads to these payments erased at the provider, however often it is asked.

        Raises:   ProviderUnavailable (503): it does not answer, or refuses; what it did is not known.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
