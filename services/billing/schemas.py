"""What billing's API takes and gives. Input refuses what it does not know, and never repeats what it was sent."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from libs.common.events.base import Code
from services.billing.ledger import Account, Balance, Kind
from services.billing.models import LedgerEntry, Payment
from services.billing.packages import Package
from services.billing.payments import Currency, PaymentState
from services.billing.service import Outcome


class AmountOut(BaseModel):
    """An amount of money in minor units (cents)."""

    minor: int
    currency: Currency


class PackageOut(BaseModel):
    """A package that can be bought."""

    code: Code
    credits: int
    price: AmountOut

    @classmethod
    def of(cls, package: Package) -> Self:
        """Return the package as people see it."""
        price = AmountOut(minor=package.price.minor, currency=package.price.currency)
        return cls(code=package.code, credits=package.credits, price=price)


class CheckoutIn(BaseModel):
    """What is to be bought."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    package: Code = Field(examples=["starter"])


class CheckoutOut(BaseModel):
    """The payment, and the provider's page where it is paid."""

    payment_id: UUID
    checkout_url: str

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """Return a payment that was placed with the provider."""
        return cls(payment_id=payment.id, checkout_url=payment.checkout_url or "")


class PaymentOut(BaseModel):
    """A payment, to the person who made it."""

    id: UUID
    package: Code
    credits: int
    amount: AmountOut
    state: PaymentState
    created_at: datetime
    changed_at: datetime
    checkout_url: str | None

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """Return the payment as its person sees it; the page to pay on only while there is something to pay."""
        payable = payment.state in (PaymentState.CREATED, PaymentState.FAILED)
        return cls(
            id=payment.id,
            package=payment.package,
            credits=payment.credits,
            amount=AmountOut(minor=payment.amount_minor, currency=payment.currency),
            state=payment.state,
            created_at=payment.created_at,
            changed_at=payment.changed_at,
            checkout_url=payment.checkout_url if payable else None,
        )


class BalanceOut(BaseModel):
    """Credits to spend, and credits set aside for jobs that are under way."""

    available: int
    reserved: int

    @classmethod
    def of(cls, balance: Balance) -> Self:
        """Return the balance as its person sees it."""
        return cls(available=balance.available, reserved=balance.reserved)


class EntryOut(BaseModel):
    """One entry of the ledger: how it changed the person's two accounts, and what it was for."""

    id: UUID
    kind: Kind
    available: int
    reserved: int
    payment_id: UUID | None
    job_id: UUID | None
    created_at: datetime

    @classmethod
    def of(cls, row: LedgerEntry) -> Self:
        """Return the entry as its person sees it."""
        entry = row.entry
        return cls(
            id=row.id,
            kind=row.kind,
            available=entry.change(Account.AVAILABLE),
            reserved=entry.change(Account.RESERVED),
            payment_id=row.payment_id,
            job_id=row.job_id,
            created_at=row.created_at,
        )


class NoticeOut(BaseModel):
    """What became of a notice."""

    outcome: Outcome


class RebuiltOut(BaseModel):
    """How many balances the entries corrected."""

    corrected: int
