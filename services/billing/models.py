"""What billing stores, each field with what it is."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from libs.common.clock import new_id, now
from libs.common.document import Document, Index
from libs.common.privacy.annotations import (
    MONTH,
    QUARTER,
    TAX,
    Basis,
    Ends,
    Operational,
    Personal,
    Purpose,
    Retention,
    SubjectId,
)
from services.billing import ledger
from services.billing.ledger import Account, Kind
from services.billing.payments import Currency, Money, PaymentState

T = TypeVar("T")

BOOKS = Retention("as long as the account, and then for as long as tax law asks", ends=Ends.ACCOUNT)
"""A balance must stay explainable by its entries, so none of them goes while the account lives."""

QUARTER_OF_PURCHASE = Personal("user.payment", Purpose.PAYMENT, retention=QUARTER)
TAX_RECORD = Personal("user.behavior.purchase_history", Purpose.PAYMENT, Basis.LEGAL_OBLIGATION, TAX)
BOOK_RECORD = Personal("user.behavior.purchase_history", Purpose.PAYMENT, Basis.LEGAL_OBLIGATION, BOOKS)

PayerId = Annotated[UUID, Personal("user.unique_id", Purpose.PAYMENT, Basis.LEGAL_OBLIGATION, TAX)]
"""The opaque id of who paid; a pseudonym takes its place when the person is erased."""

Taxed = Annotated[T, TAX_RECORD]
"""What tax law makes us keep of a purchase. Source: Directive 2006/112/EC Art. 241-249, Art. 17(3)(b) GDPR."""

Booked = Annotated[T, BOOK_RECORD]
"""What the books are made of. Source: as above."""

Passing = Annotated[T, QUARTER_OF_PURCHASE]
"""What a purchase needs while it is made."""

Spendable = Annotated[T, Personal("user.behavior.purchase_history", Purpose.PAYMENT)]
"""What somebody has to spend; it goes with the account."""

HAS_PAYMENT = {"payment_id": {"$type": "binData"}}
HAS_JOB = {"job_id": {"$type": "binData"}}
HAS_KEY = {"idempotency_key_hash": {"$type": "string"}}
IS_WELCOME = {"kind": Kind.WELCOME.value}


class Payment(Document):
    """One purchase of a package, from its checkout to what became of it."""

    collection: ClassVar[str] = "payments"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1), ("_id", -1))),
        Index((("user_id", 1), ("idempotency_key_hash", 1)), unique=True, partial=HAS_KEY),
    )

    id: Operational[UUID] = Field(alias="_id", default_factory=new_id)
    user_id: PayerId
    package: Taxed[str]
    credits: Taxed[int]
    amount_minor: Taxed[int]
    currency: Taxed[Currency]
    state: Taxed[PaymentState] = PaymentState.CREATED
    credited: Taxed[bool] = False
    created_at: Taxed[datetime] = Field(default_factory=now)
    changed_at: Taxed[datetime] = Field(default_factory=now)
    provider_reference: Taxed[str | None] = None
    checkout_url: Passing[str | None] = None
    idempotency_key_hash: Passing[str | None] = None
    retained_until: Operational[datetime | None] = Field(None, exclude=True)

    @property
    def is_retained(self) -> bool:
        """Tell whether the payer is erased, and the row kept under a pseudonym; the holder wrote so."""
        return self.retained_until is not None

    @property
    def price(self) -> Money:
        """Return what is asked for."""
        return Money(self.amount_minor, self.currency)


class PostingRow(BaseModel):
    """What one account gained or lost by an entry."""

    account: Booked[Account]
    credits: Booked[int]


class LedgerEntry(Document):
    """One entry of the books with all of its postings, so that it is there whole or not at all."""

    collection: ClassVar[str] = "ledger_entries"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1), ("_id", -1))),
        Index((("payment_id", 1), ("kind", 1)), unique=True, partial=HAS_PAYMENT),
        Index((("job_id", 1), ("kind", 1)), unique=True, partial=HAS_JOB),
        Index((("user_id", 1), ("kind", 1)), unique=True, partial=IS_WELCOME),
    )

    id: Operational[UUID] = Field(alias="_id", default_factory=new_id)
    user_id: PayerId
    kind: Booked[Kind]
    postings: list[PostingRow]
    payment_id: Booked[UUID | None] = None
    job_id: Spendable[UUID | None] = None
    created_at: Booked[datetime] = Field(default_factory=now)

    @classmethod
    def of(
        cls, user_id: UUID, entry: ledger.Entry, *, payment_id: UUID | None = None, job_id: UUID | None = None
    ) -> "LedgerEntry":
        """Return the row of an entry about a person."""
        postings = [
            PostingRow(account=posting.account, credits=posting.credits) for posting in entry.postings
        ]
        return cls(user_id=user_id, kind=entry.kind, postings=postings, payment_id=payment_id, job_id=job_id)

    @property
    def entry(self) -> ledger.Entry:
        """Return the entry as the ledger reckons with it."""
        postings = (ledger.Posting(posting.account, posting.credits) for posting in self.postings)
        return ledger.Entry(self.kind, tuple(postings))


class BalanceRow(Document):
    """What a person has to spend: a projection of the entries, kept for its conditional updates."""

    collection: ClassVar[str] = "balances"

    user_id: SubjectId = Field(alias="_id")
    available: Spendable[int] = 0
    reserved: Spendable[int] = 0
    opened_at: Spendable[datetime] = Field(default_factory=now)


class BalanceFacts(Document):
    """What the log says of a balance, while the balances are rebuilt from it; after that it goes.

    `opened_at` is missing where the account was opened before the log begins.
    """

    collection: ClassVar[str] = "balances_rebuilt"

    user_id: SubjectId = Field(alias="_id")
    available: Spendable[int] = 0
    reserved: Spendable[int] = 0
    opened_at: Spendable[datetime | None] = None


class ReservationState(StrEnum):
    """What became of a job's credits. `void`: the job was over before its credits were set aside."""

    RESERVED = "reserved"
    DECLINED = "declined"
    CAPTURED = "captured"
    RELEASED = "released"
    VOID = "void"


class Reservation(Document):
    """The credits of one job; a settled one stays, so that late and repeated events find it settled.

    `owed` of them were refunded while they were set aside: they are taken back if the job gives them back.
    """

    collection: ClassVar[str] = "reservations"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("user_id", 1),)),)

    job_id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    credits: Spendable[int]
    owed: Spendable[int] = 0
    state: Spendable[ReservationState]
    created_at: Spendable[datetime] = Field(default_factory=now)
    settled_at: Spendable[datetime | None] = None


class WebhookReceipt(Document):
    """A notice that was taken in; its id is not taken in twice."""

    collection: ClassVar[str] = "webhook_receipts"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("received_at", 1),), expire_after=MONTH.period),)

    id: Operational[str] = Field(alias="_id")
    received_at: Operational[datetime] = Field(default_factory=now)
