"""The questions that the saga asks, each with what the case remembers of it."""

from dataclasses import replace
from datetime import datetime

from services.privacy.protocol import (
    Alert,
    Attention,
    Phase,
    Policy,
    PublishErasureRequested,
    StartScan,
    backoff,
)
from services.privacy.state import Saga, Step


def request_erasure(saga: Saga, at: datetime) -> Step:
    """Ask everyone to erase, the last when the others have, and count only answers from this attempt on."""
    attempt = saga.attempt + 1
    asked = replace(
        saga, phase=Phase.ERASING, attempt=attempt, needed=attempt, asked_at=at, silences=0, retry_at=None
    )
    return asked, (PublishErasureRequested(attempt),)


def request_last(saga: Saga, at: datetime) -> Step:
    """Ask the last to erase, once: nothing of the person is left that its key could be needed for."""
    asked = replace(
        saga, phase=Phase.ERASING, last_asked=saga.attempt, asked_at=at, silences=0, retry_at=None
    )
    return asked, (PublishErasureRequested(saga.attempt, last=True),)


def wait_for_items(saga: Saga, at: datetime) -> Step:
    """Wait for the end of holds on items: nothing else is left with those who were asked."""
    waited = tuple(dict.fromkeys([*saga.waited, *sorted(saga.standing)]))
    if saga.phase is Phase.WAITING:
        return replace(saga, waited=waited), ()
    return replace(saga, phase=Phase.WAITING, waited=waited, asked_at=at, silences=0, retry_at=None), ()


def request_scan(saga: Saga, at: datetime) -> Step:
    """Have everything read anew."""
    asked = replace(saga, phase=Phase.SCANNING, run=saga.run + 1, asked_at=at, retry_at=None)
    return asked, (StartScan(asked.run),)


def set_back(saga: Saga, at: datetime, policy: Policy) -> Step:
    """Note that the case is incomplete; try again after a wait, or call for people when that did not help."""
    setbacks = saga.setbacks + 1
    incomplete = replace(saga, phase=Phase.INCOMPLETE, setbacks=setbacks, asked_at=None)
    if setbacks <= policy.setbacks:
        wait = backoff(policy.setback, policy.setback_cap, setbacks - 1)
        return replace(incomplete, retry_at=at + wait), ()
    return alert(replace(incomplete, retry_at=None), Attention.EXHAUSTED)


def alert(saga: Saga, reason: Attention) -> Step:
    """Call for people."""
    attention = saga.attention if reason in saga.attention else (*saga.attention, reason)
    return replace(saga, attention=attention), (Alert(reason),)
