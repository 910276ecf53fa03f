"""What the sandbox stores: nothing of it is about a person, since it is told of none."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid4

from pydantic import Field

from libs.common.clock import now
from libs.common.document import Document, Index
from libs.common.privacy.annotations import MONTH, Operational
from libs.common.privacy.holdings import Holdings
from services.billing.payments import Currency


class CheckoutState(StrEnum):
    """How far a buyer has come."""

    OPEN = "open"
    DECLINED = "declined"
    PAID = "paid"
    REFUNDED = "refunded"


class CheckoutRow(Document):
    """One checkout. Its id is the only key to its page, so it is random and not time-ordered.

    An `erased` one was paid: it stays in the books under a random payment id that leads to nothing of the merchant's.
    """

    collection: ClassVar[str] = "checkouts"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("payment_id", 1),), unique=True),)

    id: Operational[UUID] = Field(alias="_id", default_factory=uuid4)
    payment_id: Operational[UUID]
    number: Operational[int]
    amount_minor: Operational[int]
    currency: Operational[Currency]
    state: Operational[CheckoutState] = CheckoutState.OPEN
    opened_at: Operational[datetime] = Field(default_factory=now)
    erased: Operational[bool] = False


class Delivery(Document):
    """One notice on its way. It stays until it is answered with 2xx, through every restart of either side.

    Where its payment is erased it goes when it arrived, and not a month later.
    """

    collection: ClassVar[str] = "deliveries"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("due_at", 1),)),
        Index((("delivered_at", 1),), expire_after=MONTH.period),
        Index((("payment_id", 1),)),
    )

    id: Operational[str] = Field(alias="_id")
    body: Operational[str]
    payment_id: Operational[UUID | None] = None
    due_at: Operational[datetime | None]
    copies: Operational[int] = 1
    attempts: Operational[int] = 0
    delivered_at: Operational[datetime | None] = None
    erased: Operational[bool] = False


class ErasureRow(Document):
    """What a merchant had erased, without a word about what it was: the reference stands for the proof."""

    collection: ClassVar[str] = "erasures"

    id: Operational[str] = Field(alias="_id")
    erased_at: Operational[datetime] = Field(default_factory=now)
    count: Operational[int]


class Counter(Document):
    """How many checkouts there were."""

    collection: ClassVar[str] = "counters"

    id: Operational[str] = Field(alias="_id")
    value: Operational[int] = 0


HOLDINGS = Holdings("pay", operational=(CheckoutRow, Delivery, ErasureRow, Counter))
"""The sandbox's own database holds nothing of people."""
