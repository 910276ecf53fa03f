"""Billing's metrics. Labels are states and outcomes, never anything of a person."""

from prometheus_client import Counter, Gauge

PAYMENTS = Counter("pixera_billing_payments", "Payments that came into a state.", ("state",))
WEBHOOKS = Counter(
    "pixera_billing_webhooks", "Notices of the payment provider, by what became of them.", ("outcome",)
)
OF_NOBODY = Counter(
    "pixera_billing_payments_of_nobody",
    "Payments that were made when nothing here led to their payer any more.",
)
RESERVATIONS = Counter(
    "pixera_billing_reservations",
    "What became of reservations; a transaction that is repeated after a conflict counts again.",
    ("outcome",),
)
CARD_DATA_REFUSED = Counter(
    "pixera_billing_card_data_refused", "Requests refused because they held a card number."
)
IMBALANCE = Gauge(
    "pixera_ledger_imbalance", "What all postings add up to, in credits: 0, or the books are wrong."
)
SHORTFALL = Counter("pixera_billing_refund_shortfall_credits", "Refunded credits that had been spent before.")
