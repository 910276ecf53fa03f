"""The case token: what lets a person follow an erasure."""

import base64
from uuid import uuid4

import pytest
from pydantic import SecretStr

from libs.common.case_token import CaseTokenInvalid, issue, verify

KEY = SecretStr("a key of the platform")


def test_a_token_leads_to_its_case_and_is_always_the_same() -> None:
    case_id = uuid4()
    assert verify(KEY, issue(KEY, case_id)) == case_id
    assert issue(KEY, case_id) == issue(KEY, case_id)


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(CaseTokenInvalid):
        verify(SecretStr("another key"), issue(KEY, uuid4()))


def test_a_token_cannot_be_turned_to_another_case() -> None:
    raw = base64.urlsafe_b64decode(issue(KEY, uuid4()))
    turned = base64.urlsafe_b64encode(uuid4().bytes + raw[16:]).decode()
    with pytest.raises(CaseTokenInvalid):
        verify(KEY, turned)


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 64, "A" * 63, "A" * 10_000, "a b", "====", "_-" * 32])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(CaseTokenInvalid):
        verify(KEY, token)


def test_every_changed_bit_is_noticed() -> None:
    raw = bytearray(base64.urlsafe_b64decode(issue(KEY, uuid4())))
    for position in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(CaseTokenInvalid):
            verify(KEY, base64.urlsafe_b64encode(changed).decode())
