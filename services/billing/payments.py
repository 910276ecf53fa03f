"""The states of a payment, and the rule that makes late, repeated and reordered news of it harmless."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Currency = Literal["EUR", "USD"]


class PaymentState(StrEnum):
    """How far a payment has come, in this order."""

    CREATED = "created"
    PENDING = "pending"
    FAILED = "failed"
    COMPLETED = "completed"
    REFUNDED = "refunded"


PAID_STATES = (PaymentState.COMPLETED, PaymentState.REFUNDED)
"""In which money has moved: what tax law asks for."""

RANK = {state: rank for rank, state in enumerate(PaymentState)}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of its currency (cents)."""

    minor: int
    currency: Currency


def advance(current: PaymentState, reported: PaymentState) -> PaymentState:
    """Return the state after a provider's notice: the further of the two, so the order of notices is no matter.

    A failed attempt comes before a completed one: a buyer may try again, and money that was taken was taken.
    """
    return max(current, reported, key=RANK.__getitem__)
