"""Which service publishes and which reads which topic: read off the code, so that it is granted that and no more.

An event is published by who makes one: the services' own modules are looked through for it. What every service
publishes as a holder of data and as an actor is made for it in `libs/common`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from contracts.asyncapi import all_subscriptions
from libs.common.bus.consumes import Subscription
from libs.common.bus.topics import dead_letter_topic, event_topics
from libs.common.events import PRODUCERS, event_classes, producer_of
from libs.common.events.base import Event
from libs.common.events.privacy import HoldAnsweredV1
from libs.common.revocations import TOPICS as OF_ENDED_SESSIONS

ROOT = Path(__file__).parents[3]
SERVICES = tuple(sorted(PRODUCERS))
SHARED = ROOT / "libs" / "common"
"""Where events are made in every service's name: as a holder of data, and as who does something to it."""
AUDITOR = "privacy"
"""Reads the whole log: it shows operators its history, and says up to where a backup of each service goes."""


@dataclass(frozen=True)
class Access:
    """What one service may do. Args: groups: its consumer groups."""

    service: str
    writes: frozenset[str]
    reads: frozenset[str]
    groups: tuple[str, ...]

    @property
    def letters(self) -> frozenset[str]:
        """Return the topics of what its groups gave up on, which it alone writes and reads."""
        return frozenset(dead_letter_topic(group).name for group in self.groups)


@cache
def of(service: str) -> Access:
    """Return what a service may do."""
    groups = tuple(sorted({each.group for each in subscriptions() if _owner(each.group) == service}))
    published = published_by(service)
    consumed = {name for each in subscriptions() if _owner(each.group) == service for name in each.topics}
    # Its own it may read again: tables that are rebuilt are rebuilt from what it said itself (ADR 0024).
    own = {event.topic for event in published if producer_of(event) == service}
    reads = consumed | own | set(OF_ENDED_SESSIONS)
    if service == AUDITOR:
        reads = {topic.name for topic in event_topics()}
    return Access(service, frozenset(event.topic for event in published), frozenset(reads), groups)


@cache
def subscriptions() -> tuple[Subscription, ...]:
    """Return what every service consumes."""
    return tuple(all_subscriptions())


def published_by(service: str) -> set[type[Event]]:
    """Return the events that a service makes."""
    shared = set(made_in(SHARED))
    if not import_module(f"services.{service}.privacy").HOLDINGS.items:
        shared.discard(HoldAnsweredV1)
    return shared | made_in(ROOT / "services" / service)


@cache
def made_in(place: Path) -> frozenset[type[Event]]:
    """Return the events that are made anywhere in a package, for other purposes than tests."""
    known = {event.__name__: event for event in event_classes()}
    files = [file for file in sorted(place.rglob("*.py")) if "testing" not in file.parts]
    return frozenset(known[name] for file in files for name in _called(file) if name in known)


def _called(file: Path) -> Iterator[str]:
    """Yield the names of what is made, as `Event(...)` or `Event.model_validate(...)`."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                yield name
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="model_validate" | "model_construct")
            ):
                yield name


def _owner(group: str) -> str:
    return group.partition(".")[0]


def everyone() -> list[Access]:
    """Return the access of each service."""
    return [of(service) for service in SERVICES]
