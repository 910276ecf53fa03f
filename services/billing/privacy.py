"""What billing holds of people, and what becomes of it when they are erased.

Tax law asks for payments and books for seven years: they stay, under a pseudonym that leads nowhere, one for all of
a person's rows, so that the books still add up. What there is to spend goes with the account.

Outside processor: the payment provider (`services/billing/providers/sandbox`). It is told an opaque payment id, an
amount and a currency, and nothing that says who pays; there is nothing to erase there.
"""

from libs.common.privacy.annotations import TAX
from libs.common.privacy.holdings import OF_THE_BUS, CollectionHolding, Holdings, Pseudonymise
from services.billing.models import (
    BalanceFacts,
    BalanceRow,
    LedgerEntry,
    Payment,
    Reservation,
    WebhookReceipt,
)

TAX_LAW = "tax-law"
"""Source: GDPR Art. 17(3)(b) with Directive 2006/112/EC Art. 247 and the member state's tax code."""

HOLDINGS = Holdings(
    "billing",
    collections=(
        CollectionHolding(
            Payment,
            erase=Pseudonymise(keep_until=TAX, ground=TAX_LAW, drop=("checkout_url", "idempotency_key_hash")),
        ),
        CollectionHolding(LedgerEntry, erase=Pseudonymise(keep_until=TAX, ground=TAX_LAW, drop=("job_id",))),
        CollectionHolding(BalanceRow, subject="_id"),
        CollectionHolding(BalanceFacts, subject="_id"),
        CollectionHolding(Reservation),
        *OF_THE_BUS,
    ),
    operational=(WebhookReceipt,),
)
