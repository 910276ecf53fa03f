"""What billing holds of people, and what becomes of it when they are erased.

Tax law asks for what was paid, and what was paid back, for eight years: these payments, and the entries that book
them, stay under a pseudonym that leads nowhere, one for all of a person's rows. It asks for nothing else. A checkout
that was never paid is no business transaction; what credits were used for is none that is taxed, since the tax was
due when they were sold. All that goes, and every entry goes whole, so that the books still add up.

The payment provider is told an opaque payment id, an amount and a currency, and nothing that says who pays. It is
asked to erase what it has under those ids; its answer is the proof. Money that arrives all the same is booked, under
a pseudonym of its own (`BillingService.take_notice`).
"""

from libs.common.exporting.parts import EXPORT_PARTS
from libs.common.privacy.annotations import ACCOUNT, QUARTER, TAX, Basis
from libs.common.privacy.holdings import (
    OF_THE_BUS,
    CollectionHolding,
    Holdings,
    Item,
    ProcessorHolding,
    Pseudonymise,
)
from libs.common.privacy.processors import AtErasure, Processor, Safeguard
from libs.common.suspensions import SUSPENSIONS
from services.billing.ledger import Kind
from services.billing.models import (
    BalanceFacts,
    BalanceRow,
    LedgerEntry,
    Payment,
    Reservation,
    WebhookReceipt,
)
from services.billing.payments import PAID_STATES

TAX_LAW = "tax-law"
"""Source: GDPR Art. 17(3)(b) with § 14b(1) UStG (invoices) and § 147(1) no. 4, (3), (4) AO (vouchers of accounts):
eight years from the end of the calendar year. Credits for one service are taxed when they are sold: § 3(14) UStG.
"""

PAID = {"state": {"$in": [state.value for state in PAID_STATES]}}
NEVER_PAID = {"state": {"$nin": [state.value for state in PAID_STATES]}}
SALES = [Kind.PURCHASE.value, Kind.REFUND.value, Kind.RECLAIM.value]
OF_PAYMENTS = {"kind": {"$in": SALES}}
OF_USAGE = {"kind": {"$nin": SALES}}

PAYMENT_PROVIDER = Processor(
    name="payment-provider",
    title="Payment provider",
    task="takes the payment on its own page; card data never reaches us",
    country="IE",
    safeguard=Safeguard.NONE_NEEDED,
    at_erasure=AtErasure.ASKED,
)

PAYMENTS = CollectionHolding(
    Payment,
    erase=Pseudonymise(keep_until=TAX, ground=TAX_LAW, drop=("checkout_url", "idempotency_key_hash")),
    where=PAID,
)
UNPAID = CollectionHolding(Payment, where=NEVER_PAID, label="unpaid", kept=QUARTER, basis=Basis.CONTRACT)
"""Checkouts that nobody paid: after a quarter nobody will, since the provider closes them before these rows go."""
BOOKED = CollectionHolding(
    LedgerEntry,
    erase=Pseudonymise(keep_until=TAX, ground=TAX_LAW, drop=("job_id",)),
    where=OF_PAYMENTS,
)
USAGE = CollectionHolding(LedgerEntry, where=OF_USAGE, label="usage", kept=ACCOUNT, basis=Basis.CONTRACT)
"""What credits were given, set aside and spent for: a balance is explained by it, for as long as there is one."""

AT_THE_PROVIDER = ProcessorHolding(
    PAYMENT_PROVIDER,
    receives=("payments._id", "payments.amount_minor", "payments.currency"),
    rows=CollectionHolding(Payment),
)
"""It knows payments by our ids of them. When it has erased, nothing there leads to a payment of ours any more."""

HOLDINGS = Holdings(
    "billing",
    collections=(
        PAYMENTS,
        UNPAID,
        BOOKED,
        USAGE,
        CollectionHolding(BalanceRow, subject="_id"),
        CollectionHolding(BalanceFacts, subject="_id"),
        CollectionHolding(Reservation),
        SUSPENSIONS,
        EXPORT_PARTS,
        *OF_THE_BUS,
    ),
    processors=(AT_THE_PROVIDER,),
    operational=(WebhookReceipt,),
    items=(Item(Payment, "a payment", rows=((LedgerEntry, "payment_id"),)),),
)
