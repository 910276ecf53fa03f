"""Requests to the KMS that keeps a master: each has its time, few are repeated, all are counted (ADR 0047).

The driver makes them in the middle of sealing and opening, and its library repeats them; this stands in between.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pymongo
from bson import decode, encode
from pymongo.errors import PyMongoError
from pymongocrypt.errors import MongoCryptError

from libs.common.errors import Unavailable
from libs.common.logging import logger
from libs.common.vault.masters import Named
from libs.common.vault.metrics import KMS_SECONDS

TRIES = 4
"""As often as the library tries a request; here in all, whatever for: a page of keys does not wait for each."""
AGAIN_AFTER_S = 1.0
"""So long nobody asks a KMS that was away; then one does."""
REASON = re.compile(r'"__type"\s*:\s*"(?:[^"]*#)?(\w+)"|<Code>(\w+)</Code>')
"""What AWS calls its refusal; as JSON, and as XML where it is refused before the KMS itself is asked."""
FAULT_OF_ITS_OWN = re.compile(r"HTTP status=5\d\d")
OF_THE_WRAPPED = frozenset({"IncorrectKeyException", "InvalidCiphertextException"})
"""What the KMS was given is nothing that this master wrapped: waiting does not help."""
PASSING = frozenset({"LimitExceededException", "ThrottlingException"})

log = logger("vault.kms")


class KeyServiceUnavailable(Unavailable):
    """The KMS that keeps the master does not answer, or refuses: nothing that is not cached is sealed or opened."""

    code, title = (
        "key-service-unavailable",
        "What protects personal data does not answer at the moment: nothing is lost, try again in a moment",
    )

    @property
    def headers(self) -> dict[str, str]:
        """Say when to come back (RFC 9110, Retry-After, seconds)."""
        return {"Retry-After": "5"}


class KeyServiceRefused(KeyServiceUnavailable):
    """The KMS refuses, until somebody changes a permission, a credential, or the key. Args: reason: AWS' word."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class Outcome(StrEnum):
    """What came of a request."""

    ANSWERED = "answered"
    REFUSED = "refused"
    THROTTLED = "throttled"
    AWAY = "away"


for _outcome in Outcome:  # a process that asked for nothing shows that, and not nothing
    KMS_SECONDS.labels(_outcome)


@dataclass(frozen=True, slots=True)
class Reply:
    """Args:     reason: of a refusal; error: what the driver raised, None: it may try this once more."""

    outcome: Outcome
    reason: str = ""
    error: Exception | None = None


class Kms:
    """Watches over a process's requests, so that one KMS that is away does not hold up what needs none of it.

    Args:     timeout_s: for one attempt, its connection included.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s, self._lock = timeout_s, threading.Lock()
        self._failures, self._again_at = 0, 0.0
        self.well = True

    def ask(self, send: Callable[[Any], None], request: Any) -> None:
        """Let the driver try a request once.

        Raises:   KeyServiceUnavailable, KeyServiceRefused.  MongoCryptError: this master has not wrapped that.
        """
        self._let_one_through()
        started = time.perf_counter()
        reply = self._sent(send, request)
        KMS_SECONDS.labels(reply.outcome).observe(time.perf_counter() - started)
        if reply.outcome is Outcome.AWAY:
            self._missed(reply)
        else:
            self._heard(reply)

    def _sent(self, send: Callable[[Any], None], request: Any) -> Reply:
        waited = request.usleep
        try:
            with pymongo.timeout(self._timeout_s):
                send(request)
        except MongoCryptError as error:
            return _refusal(error)
        except PyMongoError as error:
            return Reply(Outcome.AWAY, error=error)
        again = request.usleep != waited  # the library names a new wait: this attempt has failed
        return Reply(Outcome.AWAY if again else Outcome.ANSWERED)

    def _let_one_through(self) -> None:
        """Raise KeyServiceUnavailable where the KMS was away a moment ago, but for one that tries it again."""
        with self._lock:
            if self._failures < TRIES:
                return
            now = time.monotonic()
            if now < self._again_at:
                raise KeyServiceUnavailable
            self._again_at = now + self._timeout_s

    def _missed(self, reply: Reply) -> None:
        with self._lock:
            self._failures = TRIES if reply.error else self._failures + 1
            self._again_at = time.monotonic() + AGAIN_AFTER_S
            if self._failures < TRIES:
                return
        self._turn(well=False, reply=reply)
        raise KeyServiceUnavailable from reply.error

    def _heard(self, reply: Reply) -> None:
        with self._lock:
            self._failures = 0
        if reply.outcome is Outcome.THROTTLED:
            raise KeyServiceUnavailable from reply.error
        refused = reply.outcome is Outcome.REFUSED and reply.reason not in OF_THE_WRAPPED
        self._turn(well=not refused, reply=reply)
        if refused:
            raise KeyServiceRefused(reply.reason) from reply.error
        if reply.error is not None:
            raise reply.error

    def _turn(self, *, well: bool, reply: Reply) -> None:
        """Note and log a change; the driver's words for what is away name hosts and certificates, nobody."""
        if well != self.well:
            cause = reply.reason or str(reply.error or "")
            log.warning("kms.turned", outcome=reply.outcome, cause=cause)
        self.well = well


class Door:
    """What the library asks of the driver, with the KMS watched over, and keys that say where it is now.

    Args:     inner: the driver's own; masters: by what the KMS knows them.
    """

    def __init__(self, inner: Any, kms: Kms, masters: Named) -> None:
        self._inner, self._kms, self._masters = inner, kms, masters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def kms_request(self, request: Any) -> None:
        """Wrap or unwrap a key."""
        self._kms.ask(self._inner.kms_request, request)

    def fetch_keys(self, query: bytes) -> Iterator[bytes]:
        """Yield wrapped keys. Where the KMS was when it wrapped one does not matter."""
        for row in self._inner.fetch_keys(query):
            yield self._located(bytes(row))

    def _located(self, row: bytes) -> bytes:
        key = decode(row)
        provider = key["masterKey"]["provider"]
        if provider not in self._masters:
            return row
        return encode({**key, "masterKey": {"provider": provider, **self._masters[provider]}})


class Trial(Door):
    """A door behind which there is one key, which nobody has: it is kept here and goes with this."""

    _key = b""

    def insert_data_key(self, key: bytes) -> Any:
        """Keep the key instead of storing it."""
        self._key = key
        return decode(key)["_id"]

    def fetch_keys(self, _query: bytes) -> Iterator[bytes]:
        """Yield the key that was made."""
        yield self._key


def _refusal(error: MongoCryptError) -> Reply:
    found = REASON.search(str(error))
    if found is None or FAULT_OF_ITS_OWN.search(str(error)):
        return Reply(Outcome.AWAY, error=error)
    reason = found[1] or found[2]
    return Reply(Outcome.THROTTLED if reason in PASSING else Outcome.REFUSED, reason, error)
