"""What a failed handler means: wait, try again, or give the event up."""

import asyncio
import random
import socket
from enum import StrEnum

from aiokafka.errors import KafkaError

from libs.common.bus.consumes import AlreadyDone
from libs.common.errors import PixeraError, SubjectErased
from libs.common.mongo import PASSING_ERRORS, PyMongoError

MACHINE_ERRORS = (ConnectionError, TimeoutError, asyncio.TimeoutError, socket.gaierror)
PASSING_LABELS = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")

CUT_SHORT_PATIENCE_S = 300.0
"""How long one event may have its transaction ended by the database before that counts as a try: it may be one that
takes longer than a transaction lives there."""


class Verdict(StrEnum):
    """What is done with an event whose handler raised."""

    DUPLICATE = "duplicate"
    DROP = "dropped"
    WAIT = "wait"
    TRY = "try"
    GIVE_UP = "give-up"


def verdict(error: Exception, tried_s: float = 0.0) -> Verdict:
    """Tell what an error means for the event in hand.

    Passing trouble (a database, broker or store that does not answer) waits for ever, because giving up would
    lose what would have worked an hour later. What may be this event's alone has its patience: what comes behind it
    cannot be committed before. So has a transaction that the database ends each time: after it, a few tries more.
    What has no name here may be a bug or bad luck: a few tries.

    Args:     tried_s: for how long it has been tried.
    """
    if isinstance(error, AlreadyDone):
        return Verdict.DUPLICATE
    if isinstance(error, SubjectErased):
        return Verdict.DROP
    if isinstance(error, PixeraError):
        patient = error.patience_s is None or tried_s < error.patience_s
        return Verdict.WAIT if error.retry and patient else Verdict.GIVE_UP
    if is_cut_short(error) and tried_s >= CUT_SHORT_PATIENCE_S:
        return Verdict.TRY
    return Verdict.WAIT if is_passing(error) else Verdict.TRY


def is_passing(error: Exception) -> bool:
    """Tell whether the trouble ends by itself, without anybody changing the event or the code."""
    if isinstance(error, (*PASSING_ERRORS, *MACHINE_ERRORS)):
        return True
    if isinstance(error, KafkaError):
        return bool(error.retriable)
    return isinstance(error, PyMongoError) and any(map(error.has_error_label, PASSING_LABELS))


def is_cut_short(error: Exception) -> bool:
    """Tell whether the database answered, and ended the transaction: for a conflict, or because it took too long."""
    if not isinstance(error, PyMongoError) or isinstance(error, PASSING_ERRORS):
        return False
    return error.has_error_label("TransientTransactionError")


class Backoff:
    """Growing waits with jitter, so that many waiters do not come back at once."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self.count = 0

    def next(self) -> float:
        """Return how many seconds to wait before the next try."""
        wait = min(self._longest_s, self._first_s * 2.0 ** min(self.count, 30))
        self.count += 1
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret


def code_of(error: Exception) -> str:
    """Return the stable code under which an error is dead-lettered."""
    return error.code if isinstance(error, PixeraError) else "handler-failed"
