"""What billing holds of people, and what becomes of it when they are erased.

Tax law asks for payments and books for seven years: they stay, under a pseudonym that leads nowhere, one for all of
a person's rows, so that the books still add up. What there is to spend goes with the account.

The payment provider is told an opaque payment id, an amount and a currency, and nothing that says who pays. It is
asked to erase what it has under those ids; its answer is the proof.
"""

from libs.common.privacy.annotations import TAX
from libs.common.privacy.holdings import (
    OF_THE_BUS,
    CollectionHolding,
    Holdings,
    ProcessorHolding,
    Pseudonymise,
)
from libs.common.privacy.processors import AtErasure, Processor, Safeguard
from libs.common.suspensions import SUSPENSIONS
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

PAYMENT_PROVIDER = Processor(
    name="payment-provider",
    title="Payment provider",
    task="takes the payment on its own page; card data never reaches us",
    country="IE",
    safeguard=Safeguard.NONE_NEEDED,
    at_erasure=AtErasure.ASKED,
)

PAYMENTS = CollectionHolding(
    Payment, erase=Pseudonymise(keep_until=TAX, ground=TAX_LAW, drop=("checkout_url", "idempotency_key_hash"))
)

AT_THE_PROVIDER = ProcessorHolding(
    PAYMENT_PROVIDER, receives=("payments._id", "payments.amount_minor", "payments.currency"), rows=PAYMENTS
)
"""It knows payments by our ids of them. When it has erased, nothing there leads to a payment of ours any more."""

HOLDINGS = Holdings(
    "billing",
    collections=(
        PAYMENTS,
        CollectionHolding(LedgerEntry, erase=Pseudonymise(keep_until=TAX, ground=TAX_LAW, drop=("job_id",))),
        CollectionHolding(BalanceRow, subject="_id"),
        CollectionHolding(BalanceFacts, subject="_id"),
        CollectionHolding(Reservation),
        SUSPENSIONS,
        *OF_THE_BUS,
    ),
    processors=(AT_THE_PROVIDER,),
    operational=(WebhookReceipt,),
)
