"""Settling one record: until it has had its effect, was passed over, or lies among the dead letters."""

import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol, TypeVar

from libs.common.bus import metrics
from libs.common.bus.consumes import AlreadyDone
from libs.common.bus.dead_letters import TooManyDeadLetters
from libs.common.bus.envelope import Malformed, NotSubscribed, Record, first_of
from libs.common.bus.settings import BusSettings
from libs.common.bus.trouble import Backoff, Verdict, code_of, is_passing, verdict
from libs.common.errors import SubjectErased
from libs.common.logging import describe, logger

T = TypeVar("T")
Attempt = Callable[[], Awaitable[None]]
Pause = Callable[[float], Awaitable[None]]

log = logger("bus.consumer")


class Outcome(StrEnum):
    """What became of a record."""

    DONE = "done"
    DUPLICATE = "duplicate"
    ERASED = "erased"
    IGNORED = "ignored"
    PARKED = "parked"
    DEAD = "dead-letter"


class Abandoned(Exception):
    """The partition is being given up while its record waits for better times."""


class NotDelivered(Exception):
    """A record fails and is left where it is. Args: code: stable reason; error: what happened, nothing personal."""

    def __init__(self, code: str, error: str) -> None:
        super().__init__(code)
        self.code, self.error = code, error


class GivenUp(Protocol):
    """Where records go that are given up."""

    async def put(self, record: Record, code: str, error: str) -> None:
        """Take one.

        Raises:   TooManyDeadLetters, NotDelivered: it is left where it is. AlreadyDone, SubjectErased: it is over.
        """
        ...


class Settler:
    """Tries, waits and gives up, as an error's verdict says."""

    def __init__(self, group: str, given_up: GivenUp, settings: BusSettings) -> None:
        self._group, self._given_up, self._settings = group, given_up, settings

    def backoff(self) -> Backoff:
        """Return a fresh series of waits."""
        return Backoff(self._settings.first_wait_s, self._settings.longest_wait_s)

    async def settle(self, record: Record, attempt: Attempt, pause: Pause) -> Outcome:
        """Bring one record to its end, however often that has to be tried.

        Args:     attempt: does it once; pause: sleeps, and raises Abandoned where the record is ours no more.
        Raises:   Abandoned, TooManyDeadLetters, NotDelivered: it is not settled, its offset must not be committed.
        """
        backoff, tries, begun = self.backoff(), 0, time.monotonic()
        while True:
            try:
                await attempt()
            except (Abandoned, TooManyDeadLetters):
                raise
            except NotSubscribed:
                return Outcome.IGNORED
            except Malformed as error:
                return await self._give_up(record, error.code, "", pause)
            except Exception as error:  # noqa: BLE001 - a handler may raise anything; each has a verdict
                found = verdict(error, time.monotonic() - begun)
                tries += found is Verdict.TRY  # an outage uses up no tries
                outcome = await self._after(error, record, found, tries, pause)
                if outcome is not None:
                    return outcome
                await pause(backoff.next())
            else:
                return Outcome.DONE

    async def persist(self, record: Record, work: Callable[[], Awaitable[T]], pause: Pause) -> T:
        """Do what must be done for records to get on, waiting for what passes. Raises: Abandoned."""
        backoff = self.backoff()
        while True:
            try:
                return await work()
            except Exception as error:
                if not is_passing(error):
                    raise
                self.note_retry(error, record)
            await pause(backoff.next())

    async def _after(
        self, error: Exception, record: Record, found: Verdict, tries: int, pause: Pause
    ) -> Outcome | None:
        """Return what the error settles, or None where the record is to be tried again."""
        if found is Verdict.DUPLICATE:
            return Outcome.DUPLICATE
        if found is Verdict.DROP:
            return Outcome.ERASED
        if found is Verdict.GIVE_UP or (found is Verdict.TRY and tries >= self._settings.tries):
            return await self._give_up(record, code_of(error), describe(error), pause)
        self.note_retry(error, record)
        return None

    def note_retry(self, error: Exception, record: Record) -> None:
        """Count and log a try that failed and will be repeated."""
        metrics.RETRIES.labels(self._group, "passing" if is_passing(error) else code_of(error)).inc()
        log.warning(
            "handler.retried",
            group=self._group,
            topic=record.topic,
            event_id=first_of(record.headers, "ce_id"),
            exc_info=error,
        )

    async def _give_up(self, record: Record, code: str, error: str, pause: Pause) -> Outcome:
        """Put a record aside, unless somebody else is to settle it. Raises: Abandoned, and what `GivenUp` raises."""
        backoff = self.backoff()
        await pause(0.0)  # whoever has the partition next may be at it already, and get it done
        while True:
            try:
                await self._given_up.put(record, code, error)
            except (TooManyDeadLetters, NotDelivered):
                raise
            except SubjectErased:
                return Outcome.ERASED
            except AlreadyDone:
                return Outcome.DUPLICATE
            except Exception as trouble:  # noqa: BLE001 - unless it is stored, the record must not be passed
                self.note_retry(trouble, record)
                await pause(backoff.next())
            else:
                return Outcome.DEAD
