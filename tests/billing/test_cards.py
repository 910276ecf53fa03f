"""Card numbers are recognised however they are written; identifiers are not taken for them."""

import time
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from services.billing.cards import holds_card_number

VISA, AMEX, MAESTRO = "4111111111111111", "378282246310005", "6304000000000000000"


@pytest.mark.parametrize(
    "sent",
    [
        VISA,
        AMEX,
        "4222222222222",
        MAESTRO,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\u00a01111.1111_1111",
        "\uff14111111111111111",
        "my card is 4111 1111 1111 1111, thanks",
        "1 4111 1111 1111 1111 2",
        int(VISA),
        float(VISA),
        {"package": "starter", "note": VISA},
        {VISA: "starter"},
        {"deep": [{"down": ["x", {"in": f"pan={VISA}"}]}]},
    ],
    ids=repr,
)
def test_card_numbers_are_recognised(sent: JsonValue) -> None:
    assert holds_card_number(sent)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        True,
        "starter",
        "4111111111111112",
        "411111111111",
        "41111111111111111111111",
        {"amount": 1999, "at": "2026-11-23T13:52:00.123456+00:00"},
        "41111111-1111-4111-8111-111111111111",
        "+43 664 1234567",
    ],
    ids=repr,
)
def test_other_things_are_let_through(sent: JsonValue) -> None:
    assert not holds_card_number(sent)


def test_the_work_grows_with_the_length_alone() -> None:
    """In processor time: a quadratic search takes minutes, and a busy machine must not look like one."""
    started = time.thread_time()
    assert not holds_card_number("1 " * 50_000)
    assert time.thread_time() - started < 0.5


def test_nesting_has_no_limit() -> None:
    value: JsonValue = VISA
    for _ in range(10_000):
        value = [value]
    assert holds_card_number(value)


@given(st.uuids(), st.sampled_from(["{}", '"{}"', "key {}", "{},{}"]))
@example(UUID("41111111-1111-4111-8111-111111111111"), "{}")
def test_no_identifier_is_taken_for_a_card(key: UUID, written: str) -> None:
    assert not holds_card_number(written.format(key, uuid4()))


@given(st.text(alphabet="0123456789", min_size=12, max_size=18))
def test_every_number_with_its_check_digit_is_recognised(stem: str) -> None:
    digits = [int(digit) for digit in stem]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-1::-2]) + sum(digits[-2::-2])
    assert holds_card_number(f"{stem}{-doubled % 10}")
    assert not holds_card_number(f"{stem}{(1 - doubled) % 10}")
