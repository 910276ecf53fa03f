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
    cannot be committed before. What has no name here may be a bug or bad luck: a few tries.

    Args:     tried_s: for how long it has been tried.
    """
    if isinstance(error, AlreadyDone):
        return Verdict.DUPLICATE
    if isinstance(error, SubjectErased):
        return Verdict.DROP
    if isinstance(error, PixeraError):
        patient = error.patience_s is None or tried_s < error.patience_s
        return Verdict.WAIT if error.retry and patient else Verdict.GIVE_UP
    return Verdict.WAIT if is_passing(error) else Verdict.TRY


def is_passing(error: Exception) -> bool:
    """Tell whether the trouble ends by itself, without anybody changing the event or the code."""
    if isinstance(error, (*PASSING_ERRORS, *MACHINE_ERRORS)):
        return True
    if isinstance(error, KafkaError):
        return bool(error.retriable)
    return isinstance(error, PyMongoError) and any(map(error.has_error_label, PASSING_LABELS))


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
