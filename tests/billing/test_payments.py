"""The rule for news of a payment: its order, and how often it comes, make no difference."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.payments import PaymentState, advance

CREATED, PENDING, FAILED = PaymentState.CREATED, PaymentState.PENDING, PaymentState.FAILED
COMPLETED, REFUNDED = PaymentState.COMPLETED, PaymentState.REFUNDED


@given(news=st.lists(st.sampled_from(PaymentState), max_size=8), other=st.randoms())
def test_every_order_of_the_same_news_ends_alike(news: list[PaymentState], other: object) -> None:
    shuffled = list(news)
    other.shuffle(shuffled)  # type: ignore[attr-defined]
    assert reduce(advance, news, CREATED) is reduce(advance, [*shuffled, *shuffled], CREATED)


@pytest.mark.parametrize(
    ("current", "told", "after"),
    [
        (CREATED, PENDING, PENDING),
        (COMPLETED, PENDING, COMPLETED),
        (COMPLETED, FAILED, COMPLETED),
        (FAILED, COMPLETED, COMPLETED),
        (REFUNDED, COMPLETED, REFUNDED),
        (PENDING, REFUNDED, REFUNDED),
    ],
)
def test_a_payment_only_goes_forward(current: PaymentState, told: PaymentState, after: PaymentState) -> None:
    assert advance(current, told) is after
