"""What an error means for the event in hand."""

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from pymongo.errors import AutoReconnect

from libs.common.bus.consumes import AlreadyDone
from libs.common.bus.trouble import CUT_SHORT_PATIENCE_S, Backoff, Verdict, code_of, verdict
from libs.common.errors import Conflict, SubjectErased, Unavailable
from libs.common.mongo import PASSING_ERRORS, DuplicateKeyError, OperationFailure

CONFLICT = OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AlreadyDone(), Verdict.DUPLICATE),
        (SubjectErased(), Verdict.DROP),
        (Unavailable(), Verdict.WAIT),
        (Conflict(), Verdict.GIVE_UP),
        (ConnectionResetError(), Verdict.WAIT),
        (TimeoutError(), Verdict.WAIT),
        (KafkaConnectionError(), Verdict.WAIT),
        (MessageSizeTooLargeError(), Verdict.TRY),
        (CONFLICT, Verdict.WAIT),
        (OperationFailure("no", 2), Verdict.TRY),
        (DuplicateKeyError("no"), Verdict.TRY),
        (FileNotFoundError(), Verdict.TRY),
        (ZeroDivisionError(), Verdict.TRY),
        *((passing("down"), Verdict.WAIT) for passing in PASSING_ERRORS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_verdict(error: Exception, expected: Verdict) -> None:
    assert verdict(error) is expected


def test_what_may_be_this_events_alone_has_its_patience() -> None:
    class PutOff(Unavailable):
        patience_s = 600.0

    assert verdict(PutOff(), tried_s=599.0) is Verdict.WAIT
    assert verdict(PutOff(), tried_s=600.0) is Verdict.GIVE_UP
    assert verdict(Unavailable(), tried_s=1e9) is Verdict.WAIT


def test_a_transaction_that_is_ended_each_time_may_be_this_events_alone() -> None:
    unreachable = AutoReconnect("gone")
    unreachable._add_error_label("TransientTransactionError")
    assert verdict(CONFLICT, tried_s=CUT_SHORT_PATIENCE_S - 1) is Verdict.WAIT
    assert verdict(CONFLICT, tried_s=CUT_SHORT_PATIENCE_S) is Verdict.TRY
    assert verdict(unreachable, tried_s=1e9) is Verdict.WAIT


def test_code_is_stable_and_says_nothing_of_the_message() -> None:
    assert code_of(Conflict("a prompt")) == "conflict"
    assert code_of(ValueError("a prompt")) == "handler-failed"


def test_waits_grow_up_to_the_longest_and_differ() -> None:
    waits = [Backoff(0.1, 5.0) for _ in range(20)]
    first, later = [backoff.next() for backoff in waits], []
    for backoff in waits:
        later = [backoff.next() for _ in range(40)]
    assert all(0.05 <= wait <= 0.1 for wait in first)
    assert len(set(first)) > 10
    assert all(2.5 <= wait <= 5.0 for wait in later[10:])
